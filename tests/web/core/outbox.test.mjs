import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, OutboxFull } from "../../../chatws/web/core/outbox.js";

const entry = (id, conversationId = "c") => ({ conversationId, content: id, clientMessageId: id, attempts: 0, done: null });

class MemoryStorage {
  rows = new Map();
  getItem = (key) => this.rows.get(key) ?? null;
  setItem = (key, value) => void this.rows.set(key, value);
  removeItem = (key) => void this.rows.delete(key);
}

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
