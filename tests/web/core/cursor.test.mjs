import assert from "node:assert/strict";
import { test } from "node:test";
import { ConversationCursor } from "../../../chatws/web/core/cursor.js";

const message = (seq) => ({ conversationId: "c", seq, content: `${seq}`, messageId: `m${seq}` });
const joinAck = (headSeq, messages = [], more = {}) => ({
  success: true, conversation: { headSeq }, epoch: "e", recovered: true, messages, hasMore: false, ...more,
});

test("messages in any order of arrival are released once and by seq", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 300; round += 1) {
    const cursor = new ConversationCursor("c", 0);
    cursor.applyJoin(joinAck(0));
    const arriving = Array.from({ length: 30 }, (_, index) => message(index + 1)).flatMap((one) => [one, one]);
    arriving.sort(() => random() - 0.5);
    const released = arriving.flatMap((one) => (cursor.accept([one]), cursor.release())).map((one) => one.seq);
    assert.deepEqual(released, Array.from({ length: 30 }, (_, index) => index + 1));
    assert.equal(cursor.duplicates, 30);
  }
});

test("a gap holds later messages back until history fills it", () => {
  const cursor = new ConversationCursor("c");
  cursor.applyJoin(joinAck(5));
  cursor.accept([message(6), message(8)]);
  assert.deepEqual(cursor.release().map((one) => one.seq), [6]);
  assert.equal(cursor.behind, true);
  assert.deepEqual(cursor.historyPayload(), { conversationId: "c", afterSeq: 6, limit: 100 });
  cursor.applyHistory({ messages: [message(7), message(8)], headSeq: 8 });
  assert.deepEqual(cursor.release().map((one) => one.seq), [7, 8]);
  assert.equal(cursor.behind, false);
});

test("messages that arrive during a join are released after its reply", () => {
  const cursor = new ConversationCursor("c", 3);
  cursor.accept([message(6)]);
  assert.deepEqual(cursor.release(), []);
  cursor.applyJoin(joinAck(6, [message(4), message(5), message(6)]));
  assert.deepEqual(cursor.release().map((one) => one.seq), [4, 5, 6]);
});

test("a position unknown to the server leads to a reload", () => {
  const cursor = new ConversationCursor("c", 40);
  cursor.applyJoin(joinAck(7, [], { recovered: false }));
  assert.equal(cursor.reloading, true);
  assert.deepEqual(cursor.historyPayload(), { conversationId: "c" });
  const page = [message(6), message(7)];
  assert.equal(cursor.applyHistory({ messages: page, headSeq: 7 }), page);
  cursor.accept([message(8)]);
  assert.deepEqual(cursor.release().map((one) => one.seq), [8]);
});

test("held messages are bounded and the next one in order is always accepted", () => {
  const cursor = new ConversationCursor("c", 0);
  cursor.applyJoin(joinAck(0));
  for (let seq = 10; seq > 0; seq -= 1) cursor.accept([message(seq)], 3);
  const released = cursor.release().map((one) => one.seq);
  assert.deepEqual(released, [1]);
  assert.equal(cursor.behind, true);
});

test("an announced head takes effect when its broadcast does not arrive", () => {
  const cursor = new ConversationCursor("c", 4);
  cursor.applyJoin(joinAck(4));
  cursor.announceHead(5, 0);
  cursor.applyAnnouncedHead(999);
  assert.equal(cursor.behind, false);
  cursor.applyAnnouncedHead(1000);
  assert.equal(cursor.behind, true);
});
