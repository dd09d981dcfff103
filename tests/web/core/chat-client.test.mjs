import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { settle, SimulatedServer } from "./simulated-server.mjs";

let server;
beforeEach(() => {
  server = new SimulatedServer();
});
afterEach(() => mock.timers.reset());

const connected = async (options) => {
  const client = server.client(options);
  const received = [];
  client.on("message", (message, detail) => received.push([message.seq, detail.own]));
  client.connect();
  client.join("c");
  await settle();
  return { client, received };
};

const payloadsOf = (name) => server.requests.filter(([request]) => request === name).map(([, payload]) => payload);

test("messages sent while offline are delivered once and in order after the rejoin", async () => {
  const { client } = await connected();
  server.reachable = false;
  server.cut();
  const acks = [];
  for (const text of ["one", "two", "three"]) client.send("c", text, (ack) => acks.push(ack.seq));
  await server.advance(5_000);
  assert.deepEqual(server.rows, []);
  server.reachable = true;
  await server.advance(5_000);
  assert.deepEqual(server.rows.map((row) => row.content), ["one", "two", "three"]);
  assert.deepEqual(acks, [1, 2, 3]);
  const order = server.requests.map(([name]) => name);
  assert.ok(order.lastIndexOf("join_conversation") < order.indexOf("send_message"));
});

test("a message restored after a page reload waits for the join", async () => {
  const storage = { getItem: () => JSON.stringify([["c", "written before", "id-1"]]), setItem() {}, removeItem() {} };
  const client = server.client({ storage });
  client.connect();
  await server.advance(1_000);
  assert.equal(client.state, "connected");
  assert.deepEqual(payloadsOf("send_message"), []);
  client.join("c");
  await settle();
  assert.deepEqual(server.rows.map((row) => [row.content, row.clientMessageId]), [["written before", "id-1"]]);
});

test("a message without an ack is retried under the same id and stored once", async () => {
  const { client, received } = await connected();
  server.acksToDrop = 2;
  const acks = [];
  client.send("c", "hello", (ack) => acks.push([ack.success, ack.duplicate]));
  await server.advance(30_000);
  assert.equal(server.rows.length, 1);
  assert.equal(new Set(payloadsOf("send_message").map((payload) => payload.clientMessageId)).size, 1);
  assert.deepEqual(acks, [[true, true]]);
  assert.deepEqual(received, [[1, true]]);
});

test("the next message waits for the previous reply and for retryAfterMs", async () => {
  const { client } = await connected();
  server.refusals.set("send_message", [{ code: "rate_limited", retryable: true, retryAfterMs: 700 }]);
  client.send("c", "one");
  client.send("c", "two");
  await server.advance(650);
  assert.deepEqual(payloadsOf("send_message").map((payload) => payload.content), ["one"]);
  await server.advance(100);
  assert.deepEqual(server.rows.map((row) => row.content), ["one", "two"]);
});

test("a final refusal is reported and does not block the next message", async () => {
  const { client } = await connected();
  server.refusals.set("send_message", [{ code: "too_large", retryable: false }]);
  const acks = [];
  client.send("c", "x", (ack) => acks.push(ack.error?.code));
  client.send("c", "y", (ack) => acks.push(ack.success));
  await settle();
  assert.deepEqual(acks, ["too_large", true]);
  assert.equal(client.stats().failed, 1);
});

test("not_joined triggers a rejoin before the message is retried", async () => {
  const { client } = await connected();
  server.refusals.set("send_message", [{ code: "not_joined", retryable: false }]);
  client.send("c", "hello");
  await server.advance(1_000);
  assert.equal(payloadsOf("join_conversation").length, 2);
  assert.equal(server.rows.length, 1);
});

test("a lost broadcast is fetched as soon as the next one reveals the gap", async () => {
  const { received } = await connected();
  server.broadcastsToDrop = 1;
  for (const text of ["one", "two"]) server.store(text);
  await settle();
  assert.deepEqual(received.map(([seq]) => seq), [1, 2]);
});

test("messages missed while disconnected are caught up over several pages without duplicates", async () => {
  const { client, received } = await connected();
  server.store("before");
  server.reachable = false;
  server.cut();
  for (let number = 0; number < 10; number += 1) server.store(`missed ${number}`);
  server.reachable = true;
  await server.advance(5_000);
  assert.deepEqual(received.map(([seq]) => seq), Array.from({ length: 11 }, (_, index) => index + 1));
  assert.equal(client.stats().reconnects, 1);
});

test("a changed epoch reloads the conversation and emits reloaded", async () => {
  const { client } = await connected();
  for (const text of ["one", "two"]) server.store(text);
  server.epoch = "e2";
  const reloaded = [];
  client.on("reloaded", (id, messages) => reloaded.push(messages.length));
  server.cut();
  await server.advance(2_000);
  assert.deepEqual(reloaded, [2]);
});

test("a refused CONNECT ends the attempts unless its code is transient", async () => {
  server.connectErrors = [{ code: "connection_limit" }, { code: "unauthorized" }];
  const client = server.client();
  const states = [];
  const errors = [];
  client.on("connection", (state) => states.push(state));
  client.on("error", (failed) => errors.push(failed.code));
  client.connect();
  await server.advance(30_000);
  assert.deepEqual(states, ["reconnecting", "disconnected"]);
  assert.deepEqual(errors, ["unauthorized"]);
  assert.equal(server.socket.opened, 2);
});

test("queued messages fail with the code of a final connection refusal", async () => {
  const { client } = await connected();
  const acks = [];
  server.connectErrors = [{ code: "session_expired" }];
  server.cut();
  client.send("c", "hello?", (ack) => acks.push([ack.success, ack.error.code]));
  await server.advance(2_000);
  assert.deepEqual(acks, [[false, "session_expired"]]);
  assert.equal(client.stats().pending, 0);
});

test("the configured number of reconnection attempts is respected", async () => {
  server.reachable = false;
  const client = server.client({ maxAttempts: 5 });
  client.connect();
  await server.advance(60_000);
  assert.equal(server.socket.opened, 6);
  assert.equal(client.state, "disconnected");
});

test("an expired token is renewed and the new one used to connect", async () => {
  server.connectErrors = [{ code: "token_expired" }];
  let token = "old";
  const { client } = await connected({ auth: () => ({ token }), renewToken: async () => (token = "new") });
  await server.advance(1_000);
  assert.equal(client.state, "connected");
  assert.deepEqual(server.socket.auth, { token: "new", recovery: "off" });
});

test("auth_expiring renews the token on the open connection", async () => {
  await connected({ auth: () => ({ token: "old" }), renewToken: async () => "new" });
  server.socket.receive("auth_expiring", { inMs: 60_000 });
  await settle();
  assert.deepEqual(payloadsOf("refresh_token"), [{ token: "new" }]);
});

test("a warning while the new token is on its way does not fetch another one", async () => {
  let fetched = 0;
  await connected({ auth: () => ({ token: "old" }), renewToken: async () => `new-${(fetched += 1)}` });
  const answer = server.answer.bind(server);
  server.answer = (name, payload) => {
    if (name === "refresh_token") server.socket.receive("auth_expiring", { inMs: 0 });
    return answer(name, payload);
  };
  server.socket.receive("auth_expiring", { inMs: 60_000 });
  await settle();
  assert.deepEqual(payloadsOf("refresh_token"), [{ token: "new-1" }]);
  assert.equal(fetched, 1);
});

test("a DISCONNECT by the server is final and reports its last error", async () => {
  const { client } = await connected();
  const errors = [];
  client.on("error", (failed) => errors.push(failed.code));
  server.socket.receive("error", { message: "logged out", code: "unauthorized" });
  server.socket.end("io server disconnect");
  await server.advance(20_000);
  assert.equal(client.state, "disconnected");
  assert.deepEqual(errors, ["unauthorized", "unauthorized"]);
});

test("a DISCONNECT by a draining server is followed by a reconnect after retryAfterMs", async () => {
  const { client } = await connected();
  server.socket.receive("server_draining", { retryAfterMs: 1_500 });
  client.send("c", "held back");
  server.socket.end("io server disconnect");
  await server.advance(1_400);
  assert.equal(server.rows.length, 0);
  await server.advance(200);
  assert.equal(server.rows.length, 1);
});

test("resume starts a connection attempt at once", async () => {
  const { client } = await connected({ random: () => 0.999 });
  server.reachable = false;
  server.cut();
  await server.advance(20_000);
  server.reachable = true;
  const { opened } = server.socket;
  client.suspend();
  client.resume();
  await settle();
  assert.equal(server.socket.opened, opened + 1);
  assert.equal(client.state, "connected");
});

test("an unresponsive connection is closed and the message sent over the next one", async () => {
  const { client } = await connected();
  server.acksToDrop = 1;
  client.send("c", "hello");
  await server.advance(20_000);
  assert.equal(client.stats().delivered, 1);
  assert.equal(server.rows.length, 1);
});

test("without a socket messages are exchanged over REST once each until a socket connects", async () => {
  server.reachable = false;
  server.reachableOverRest = true;
  const { client, received } = await connected();
  const shown = [];
  client.on("fallback", (active) => shown.push(active));
  client.send("c", "over REST");
  await server.advance(8_000);
  assert.deepEqual(server.rows.map((row) => row.content), ["over REST"]);
  assert.equal(client.stats().viaRest, 1);
  server.store("an answer");
  await server.advance(4_000);
  assert.deepEqual(received.map(([seq]) => seq), [2]);
  server.reachable = true;
  await server.advance(12_000);
  client.send("c", "over the socket");
  await settle();
  assert.deepEqual(shown, [true, false]);
  assert.deepEqual(received, [[2, false], [3, true]]);
  assert.equal(server.posts.length, 1);
});

test("read marks only move forward and are sent again after a reconnect", async () => {
  const { client } = await connected();
  for (const seq of [3, 2, 5]) client.markRead("c", seq);
  await settle();
  server.cut();
  await server.advance(2_000);
  assert.deepEqual(payloadsOf("mark_read").map(({ seq }) => seq), [3, 5, 5]);
});

test("typing notifications are dropped while disconnected", async () => {
  const { client } = await connected();
  client.typing("c", true);
  client.typing("c", true);
  server.reachable = false;
  server.cut();
  client.typing("c", true);
  await settle();
  assert.equal(payloadsOf("typing_start").length, 1);
});

test("disconnect rejects pending joins and messages and stops reconnecting", async () => {
  server.reachable = false;
  const client = server.client();
  client.connect();
  const joining = client.join("c");
  const acks = [];
  client.send("c", "too late", (ack) => acks.push(ack.error?.code));
  client.disconnect();
  await assert.rejects(joining, /closed/);
  assert.deepEqual(acks, ["timeout"]);
  server.reachable = true;
  await server.advance(20_000);
  assert.equal(client.state, "disconnected");
});

test("a WebSocket is tried first after a lost connection and a silent poll, otherwise polling", async () => {
  const { client } = await connected();
  const { opts } = server.socket.io;
  const tried = [];
  client.on("connection", () => tried.push([...opts.transports, opts.tryAllTransports]));
  server.reachable = false;
  server.cut();
  while (tried.length < 3) await server.advance(100);
  server.reason = "timeout";
  while (tried.length < 5) await server.advance(100);
  assert.deepEqual(tried, [
    ["polling", "websocket", false],
    ["websocket", "polling", true],
    ["polling", "websocket", false],
    ["polling", "websocket", false],
    ["websocket", "polling", true],
  ]);
});
