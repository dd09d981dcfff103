// Runs the scenarios of tests/vectors/cursor.json, which the Python SDK passes too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConversationCursor } from "../../../chatws/web/core/cursor.js";

const vectors = JSON.parse(readFileSync(new URL("../../vectors/cursor.json", import.meta.url), "utf8"));
const toMessages = (seqs) => seqs.map((seq) => ({ conversationId: "c", seq, content: `${seq}`, messageId: `m${seq}` }));
const toSeqs = (messages) => messages.map((message) => message.seq);

// Default of the `history` request's `limit`, which the vectors name.
const DEFAULT_LIMIT = 50;

// Applies the input of a step; returns the messages of a reload.
function apply(cursor, { join, receive, bound, history, announceHead, applyAnnouncedHead, atMs, disconnect }) {
  if (join) {
    const { headSeq, epoch = "e", recovered = true, messages = [], hasMore = false } = join;
    cursor.applyJoin({ conversation: { headSeq }, epoch, recovered, messages: toMessages(messages), hasMore });
  }
  if (receive) cursor.accept(toMessages(receive), bound);
  if (history) return cursor.applyHistory({ messages: toMessages(history.messages), headSeq: history.headSeq });
  if (announceHead !== undefined) cursor.announceHead(announceHead, atMs);
  if (applyAnnouncedHead) cursor.applyAnnouncedHead(atMs);
  if (disconnect) cursor.disconnected();
  return null;
}

function nextRequest(cursor) {
  if (!cursor.joined) return { join_conversation: cursor.joinPayload() };
  return cursor.behind ? { history: { limit: DEFAULT_LIMIT, ...cursor.historyPayload() } } : null;
}

for (const { name, afterSeq, steps } of vectors) {
  test(name, () => {
    const cursor = new ConversationCursor("c", afterSeq);
    steps.forEach((step, index) => {
      const reloaded = apply(cursor, step);
      const released = toSeqs(cursor.release());
      const { last, head, behind, reloading, duplicates } = cursor;
      const state = { last, head, behind, reloading, duplicates, request: nextRequest(cursor) };
      const actual = { ...state, released, reloaded: reloaded && toSeqs(reloaded) };
      for (const [key, value] of Object.entries(step.expect ?? {})) {
        assert.deepEqual(actual[key], value, `step ${index + 1}: ${key}`);
      }
    });
  });
}
