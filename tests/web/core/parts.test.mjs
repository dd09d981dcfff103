import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectDelayMs, retryDelayMs } from "../../../chatws/web/core/backoff.js";
import { newId } from "../../../chatws/web/core/ids.js";
import { Outbox, OutboxFull } from "../../../chatws/web/core/outbox.js";
import { Room } from "../../../chatws/web/core/room.js";
import { OthersTyping, OwnTyping } from "../../../chatws/web/core/typing.js";

const entry = (id, conversationId = "c") => ({ conversationId, content: id, clientMessageId: id, attempts: 0, done: null });
const message = (seq) => ({ conversationId: "c", seq, content: `${seq}`, messageId: `m${seq}` });
const joinAck = (headSeq, messages = [], more = {}) => ({
  success: true, conversation: { headSeq }, epoch: "e", recovered: true, messages, hasMore: false, ...more,
});

class Memory {
  rows = new Map();
  getItem = (key) => this.rows.get(key) ?? null;
  setItem = (key, value) => void this.rows.set(key, value);
  removeItem = (key) => void this.rows.delete(key);
}

test("delays stay under the contract's caps and use the whole range", () => {
  assert.deepEqual([0, 1, 2, 5, 14].map((n) => reconnectDelayMs(n, () => 0.999999) | 0), [499, 999, 1999, 1999, 1999]);
  assert.equal(reconnectDelayMs(15, () => 0.999999) | 0, 9999);
  assert.equal(reconnectDelayMs(3, () => 0), 0);
  assert.deepEqual([retryDelayMs(1), retryDelayMs(2), retryDelayMs(99), retryDelayMs(1, 70)], [500, 1000, 10000, 70]);
});

test("ids are long, plain and different", () => {
  const ids = Array.from({ length: 1000 }, newId);
  assert.equal(new Set(ids).size, 1000);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
});

test("one message of a conversation is under way at a time, and conversations do not wait for each other", () => {
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
  outbox.rewind();
  assert.deepEqual(outbox.takeReady(100, () => true), [b, other]);
});

test("a full outbox says so and keeps what it has", () => {
  const outbox = new Outbox(1);
  outbox.add(entry("a"));
  assert.throws(() => outbox.add(entry("b")), OutboxFull);
  assert.equal(outbox.size, 1);
});

test("unsent messages outlive a reload, with their ids and in order; answered ones do not", () => {
  const storage = new Memory();
  const before = new Outbox(10, storage, "k");
  for (const id of ["a", "b", "c"]) before.add(entry(id));
  before.settle(before.takeReady(0, () => true)[0]);
  const after = new Outbox(10, storage, "k");
  assert.deepEqual(after.entries().map((one) => one.clientMessageId), ["b", "c"]);
  storage.rows.set("k", "{not json");
  assert.equal(new Outbox(10, storage, "k").size, 0);
});

test("storage that is full or forbidden costs no message", () => {
  const broken = new Memory();
  broken.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  const outbox = new Outbox(10, broken, "k");
  outbox.add(entry("a"));
  assert.equal(outbox.size, 1);
});

test("whatever arrives in whatever order, each seq is released once and in order", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 300; round += 1) {
    const room = new Room("c", 0);
    room.applyJoin(joinAck(0));
    const arriving = Array.from({ length: 30 }, (_, index) => message(index + 1)).flatMap((one) => [one, one]);
    arriving.sort(() => random() - 0.5);
    const released = arriving.flatMap((one) => (room.take([one]), room.release())).map((one) => one.seq);
    assert.deepEqual(released, Array.from({ length: 30 }, (_, index) => index + 1));
    assert.equal(room.duplicates, 30);
  }
});

test("a gap holds later messages back until history fills it", () => {
  const room = new Room("c");
  room.applyJoin(joinAck(5));
  room.take([message(6), message(8)]);
  assert.deepEqual(room.release().map((one) => one.seq), [6]);
  assert.equal(room.behind, true);
  assert.deepEqual(room.historyPayload(), { conversationId: "c", afterSeq: 6, limit: 100 });
  room.applyHistory({ messages: [message(7), message(8)], headSeq: 8 });
  assert.deepEqual(room.release().map((one) => one.seq), [7, 8]);
  assert.equal(room.behind, false);
});

test("messages that arrive while the join is under way are kept for after its answer", () => {
  const room = new Room("c", 3);
  room.take([message(6)]);
  assert.deepEqual(room.release(), []);
  room.applyJoin(joinAck(6, [message(4), message(5), message(6)]));
  assert.deepEqual(room.release().map((one) => one.seq), [4, 5, 6]);
});

test("a position the server does not know leads to a reload, never to a part", () => {
  const room = new Room("c", 40);
  room.applyJoin(joinAck(7, [], { recovered: false }));
  assert.equal(room.reloading, true);
  assert.deepEqual(room.historyPayload(), { conversationId: "c" });
  const page = [message(6), message(7)];
  assert.equal(room.applyHistory({ messages: page, headSeq: 7 }), page);
  room.take([message(8)]);
  assert.deepEqual(room.release().map((one) => one.seq), [8]);
});

test("held messages are bounded, and the next one in order always fits", () => {
  const room = new Room("c", 0);
  room.applyJoin(joinAck(0));
  for (let seq = 10; seq > 0; seq -= 1) room.take([message(seq)], 3);
  const released = room.release().map((one) => one.seq);
  assert.deepEqual(released, [1]);
  assert.equal(room.behind, true);
});

test("a head named by positions is believed when its broadcast stays away", () => {
  const room = new Room("c", 4);
  room.applyJoin(joinAck(4));
  room.hearPosition(5, 0);
  room.checkPosition(999);
  assert.equal(room.behind, false);
  room.checkPosition(1000);
  assert.equal(room.behind, true);
});

test("own typing is said once per interval, and its end once", () => {
  const typing = new OwnTyping();
  assert.deepEqual([0, 1999, 2000].map((now) => typing.start("c", now)), [true, false, true]);
  assert.deepEqual([typing.stop("c"), typing.stop("c")], [true, false]);
});

test("others' typing is taken off the screen by what the join's answer says", () => {
  const typing = new OthersTyping();
  for (const userId of ["a", "b"]) typing.hear({ conversationId: "c", userId, userName: userId, isTyping: true });
  assert.deepEqual(typing.forget("c", ["b"]).map((one) => [one.userId, one.isTyping]), [["a", false]]);
  assert.deepEqual(typing.forget().map((one) => one.userId), ["b"]);
});
