import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectDelayMs, retryDelayMs } from "../../../chatws/web/core/backoff.js";
import { newId } from "../../../chatws/web/core/ids.js";
import { Outbox, OutboxFull } from "../../../chatws/web/core/outbox.js";
import { ConversationCursor } from "../../../chatws/web/core/cursor.js";
import { PeerTyping } from "../../../chatws/web/core/peer-typing.js";
import { TypingThrottle } from "../../../chatws/web/core/typing-throttle.js";

const entry = (id, conversationId = "c") => ({ conversationId, content: id, clientMessageId: id, attempts: 0, done: null });
const message = (seq) => ({ conversationId: "c", seq, content: `${seq}`, messageId: `m${seq}` });
const joinAck = (headSeq, messages = [], more = {}) => ({
  success: true, conversation: { headSeq }, epoch: "e", recovered: true, messages, hasMore: false, ...more,
});

class MemoryStorage {
  rows = new Map();
  getItem = (key) => this.rows.get(key) ?? null;
  setItem = (key, value) => void this.rows.set(key, value);
  removeItem = (key) => void this.rows.delete(key);
}

test("delays use the whole range below the contract's caps", () => {
  assert.deepEqual([0, 1, 2, 5, 14].map((n) => reconnectDelayMs(n, () => 0.999999) | 0), [499, 999, 1999, 1999, 1999]);
  assert.equal(reconnectDelayMs(15, () => 0.999999) | 0, 9999);
  assert.equal(reconnectDelayMs(3, () => 0), 0);
  assert.deepEqual([retryDelayMs(1), retryDelayMs(2), retryDelayMs(99), retryDelayMs(1, 70)], [500, 1000, 10000, 70]);
});

test("ids are unique and have 32 hexadecimal digits", () => {
  const ids = Array.from({ length: 1000 }, newId);
  assert.equal(new Set(ids).size, 1000);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
});

test("one message per conversation is in flight, independent of other conversations", () => {
  const outbox = new Outbox(10);
  const [a, b, other] = [entry("a"), entry("b"), entry("x", "d")];
  for (const one of [a, b, other]) outbox.add(one);
  assert.deepEqual(outbox.takeReady(0, () => true), [a, other]);
  assert.deepEqual(outbox.takeReady(0, () => true), []);
  outbox.postpone(a, 100);
  assert.deepEqual(outbox.takeReady(99, () => true), []);
  assert.deepEqual(outbox.takeReady(100, () => true), [a]);
  assert.equal(outbox.settle(a), true);
  assert.equal(outbox.settle(a), false);
  assert.deepEqual(outbox.takeReady(100, () => false), []);
  outbox.resetInFlight();
  assert.deepEqual(outbox.takeReady(100, () => true), [b, other]);
});

test("a full outbox throws and keeps its entries", () => {
  const outbox = new Outbox(1);
  outbox.add(entry("a"));
  assert.throws(() => outbox.add(entry("b")), OutboxFull);
  assert.equal(outbox.size, 1);
});

test("unsent messages survive a page reload with their ids and order", () => {
  const storage = new MemoryStorage();
  const before = new Outbox(10, storage, "k");
  for (const id of ["a", "b", "c"]) before.add(entry(id));
  before.settle(before.takeReady(0, () => true)[0]);
  const after = new Outbox(10, storage, "k");
  assert.deepEqual(after.entries().map((one) => one.clientMessageId), ["b", "c"]);
  storage.rows.set("k", "{not json");
  assert.equal(new Outbox(10, storage, "k").size, 0);
});

test("a failing storage loses no message", () => {
  const broken = new MemoryStorage();
  broken.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  const outbox = new Outbox(10, broken, "k");
  outbox.add(entry("a"));
  assert.equal(outbox.size, 1);
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

test("typing is sent once per interval and its end once", () => {
  const typing = new TypingThrottle();
  assert.deepEqual([0, 1999, 2000].map((now) => typing.start("c", now)), [true, false, true]);
  assert.deepEqual([typing.stop("c"), typing.stop("c")], [true, false]);
});

test("typing indicators that are not in the join reply are cleared", () => {
  const typing = new PeerTyping();
  for (const userId of ["a", "b"]) typing.update({ conversationId: "c", userId, userName: userId, isTyping: true });
  assert.deepEqual(typing.clear("c", ["b"]).map((one) => [one.userId, one.isTyping]), [["a", false]]);
  assert.deepEqual(typing.clear().map((one) => one.userId), ["b"]);
});
