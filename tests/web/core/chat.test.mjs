import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { settle, World } from "./world.mjs";

let world;
beforeEach(() => {
  world = new World();
});
afterEach(() => mock.timers.reset());

const connected = async (options) => {
  const client = world.client(options);
  const heard = [];
  client.on("message", (message, detail) => heard.push([message.seq, detail.own]));
  client.connect();
  client.join("c");
  await settle();
  return { client, heard };
};

const named = (name) => world.requests.filter(([request]) => request === name).map(([, payload]) => payload);

test("a message sent while offline is delivered once, in order, after the re-join", async () => {
  const { client } = await connected();
  world.reachable = false;
  world.cut();
  const acks = [];
  for (const text of ["one", "two", "three"]) client.send("c", text, (ack) => acks.push(ack.seq));
  await world.advance(5_000);
  assert.deepEqual(world.rows, []);
  world.reachable = true;
  await world.advance(5_000);
  assert.deepEqual(world.rows.map((row) => row.content), ["one", "two", "three"]);
  assert.deepEqual(acks, [1, 2, 3]);
  const order = world.requests.map(([name]) => name);
  assert.ok(order.lastIndexOf("join_conversation") < order.indexOf("send_message"));
});

test("a message restored after a reload waits for the join instead of being refused", async () => {
  const storage = { getItem: () => JSON.stringify([["c", "written before", "id-1"]]), setItem() {}, removeItem() {} };
  const client = world.client({ storage });
  client.connect();
  await world.advance(1_000);
  assert.equal(client.state, "connected");
  assert.deepEqual(named("send_message"), []);
  client.join("c");
  await settle();
  assert.deepEqual(world.rows.map((row) => [row.content, row.clientMessageId]), [["written before", "id-1"]]);
});

test("a lost ack is repeated under the same id and stored once", async () => {
  const { client, heard } = await connected();
  world.loseAcks = 2;
  const acks = [];
  client.send("c", "hello", (ack) => acks.push([ack.success, ack.duplicate]));
  await world.advance(30_000);
  assert.equal(world.rows.length, 1);
  assert.equal(new Set(named("send_message").map((payload) => payload.clientMessageId)).size, 1);
  assert.deepEqual(acks, [[true, true]]);
  assert.deepEqual(heard, [[1, true]]);
});

test("the next message waits for the answer to the one before, and for retryAfterMs", async () => {
  const { client } = await connected();
  world.refusals.set("send_message", [{ code: "rate_limited", retryable: true, retryAfterMs: 700 }]);
  client.send("c", "one");
  client.send("c", "two");
  await world.advance(650);
  assert.deepEqual(named("send_message").map((payload) => payload.content), ["one"]);
  await world.advance(100);
  assert.deepEqual(world.rows.map((row) => row.content), ["one", "two"]);
});

test("a final refusal is told and does not hold up the next message", async () => {
  const { client } = await connected();
  world.refusals.set("send_message", [{ code: "too_large", retryable: false }]);
  const acks = [];
  client.send("c", "x", (ack) => acks.push(ack.error?.code));
  client.send("c", "y", (ack) => acks.push(ack.success));
  await settle();
  assert.deepEqual(acks, ["too_large", true]);
  assert.equal(client.stats().failed, 1);
});

test("not_joined leads to another join, and the message follows", async () => {
  const { client } = await connected();
  world.refusals.set("send_message", [{ code: "not_joined", retryable: false }]);
  client.send("c", "hello");
  await world.advance(1_000);
  assert.equal(named("join_conversation").length, 2);
  assert.equal(world.rows.length, 1);
});

test("a lost broadcast is fetched as soon as the next one shows the hole", async () => {
  const { heard } = await connected();
  world.loseBroadcasts = 1;
  for (const text of ["one", "two"]) world.store(text);
  await settle();
  assert.deepEqual(heard.map(([seq]) => seq), [1, 2]);
});

test("everything missed while away comes after reconnecting, over several pages, without duplicates", async () => {
  const { client, heard } = await connected();
  world.store("before");
  world.reachable = false;
  world.cut();
  for (let number = 0; number < 10; number += 1) world.store(`missed ${number}`);
  world.reachable = true;
  await world.advance(5_000);
  assert.deepEqual(heard.map(([seq]) => seq), Array.from({ length: 11 }, (_, index) => index + 1));
  assert.equal(client.stats().reconnects, 1);
});

test("another database is reloaded and said to be so", async () => {
  const { client } = await connected();
  for (const text of ["one", "two"]) world.store(text);
  world.epoch = "e2";
  const reloaded = [];
  client.on("reloaded", (id, messages) => reloaded.push(messages.length));
  world.cut();
  await world.advance(2_000);
  assert.deepEqual(reloaded, [2]);
});

test("a refusal at CONNECT ends the tries unless the code says that it passes", async () => {
  world.connectErrors = [{ code: "connection_limit" }, { code: "unauthorized" }];
  const client = world.client();
  const states = [];
  const errors = [];
  client.on("connection", (state) => states.push(state));
  client.on("error", (failed) => errors.push(failed.code));
  client.connect();
  await world.advance(30_000);
  assert.deepEqual(states, ["reconnecting", "disconnected"]);
  assert.deepEqual(errors, ["unauthorized"]);
  assert.equal(world.socket.opened, 2);
});

test("messages that wait for a connection the server refuses for good are told why", async () => {
  const { client } = await connected();
  const acks = [];
  world.connectErrors = [{ code: "session_expired" }];
  world.cut();
  client.send("c", "hello?", (ack) => acks.push([ack.success, ack.error.code]));
  await world.advance(2_000);
  assert.deepEqual(acks, [[false, "session_expired"]]);
  assert.equal(client.stats().pending, 0);
});

test("the guide's number of attempts, once asked for, is kept to", async () => {
  world.reachable = false;
  const client = world.client({ maxAttempts: 5 });
  client.connect();
  await world.advance(60_000);
  assert.equal(world.socket.opened, 6);
  assert.equal(client.state, "disconnected");
});

test("an expired token is renewed and the connection opened with the new one", async () => {
  world.connectErrors = [{ code: "token_expired" }];
  let token = "old";
  const { client } = await connected({ auth: () => ({ token }), renewToken: async () => (token = "new") });
  await world.advance(1_000);
  assert.equal(client.state, "connected");
  assert.deepEqual(world.socket.auth, { token: "new" });
  world.socket.hear("auth_expiring", { inMs: 60_000 });
  await settle();
  assert.deepEqual(named("refresh_token"), [{ token: "new" }]);
});

test("a server's DISCONNECT is final, with its last words; a draining one's is not", async () => {
  const first = await connected();
  const errors = [];
  first.client.on("error", (failed) => errors.push(failed.code));
  world.socket.hear("error", { message: "logged out", code: "unauthorized" });
  world.socket.end("io server disconnect");
  await world.advance(20_000);
  assert.equal(first.client.state, "disconnected");
  assert.deepEqual(errors, ["unauthorized", "unauthorized"]);

  const second = await connected();
  world.socket.hear("server_draining", { retryAfterMs: 1_500 });
  second.client.send("c", "held back");
  world.socket.end("io server disconnect");
  await world.advance(1_400);
  assert.equal(world.rows.length, 0);
  await world.advance(200);
  assert.equal(world.rows.length, 1);
});

test("an attempt starts at once when the browser says that the network is back", async () => {
  const { client } = await connected({ random: () => 0.999 });
  world.reachable = false;
  world.cut();
  await world.advance(20_000);
  world.reachable = true;
  const { opened } = world.socket;
  client.suspend();
  client.resume();
  await settle();
  assert.equal(world.socket.opened, opened + 1);
  assert.equal(client.state, "connected");
});

test("a server that stays silent is left, and what waits goes over the next link", async () => {
  const { client } = await connected();
  world.loseAcks = 1;
  client.send("c", "hello");
  await world.advance(20_000);
  assert.equal(client.stats().delivered, 1);
  assert.equal(world.rows.length, 1);
});

test("without any socket messages go and come over REST, each once, and the socket takes over later", async () => {
  world.reachable = false;
  world.reachableOverRest = true;
  const { client, heard } = await connected();
  const shown = [];
  client.on("fallback", (active) => shown.push(active));
  client.send("c", "over REST");
  await world.advance(8_000);
  assert.deepEqual(world.rows.map((row) => row.content), ["over REST"]);
  assert.equal(client.stats().viaRest, 1);
  world.store("an answer");
  await world.advance(4_000);
  assert.deepEqual(heard.map(([seq]) => seq), [2]);
  world.reachable = true;
  await world.advance(12_000);
  client.send("c", "over the socket");
  await settle();
  assert.deepEqual(shown, [true, false]);
  assert.deepEqual(heard, [[2, false], [3, true]]);
  assert.equal(world.posts.length, 1);
});

test("read marks only move forward and are said again on the next link", async () => {
  const { client } = await connected();
  for (const seq of [3, 2, 5]) client.markRead("c", seq);
  await settle();
  world.cut();
  await world.advance(2_000);
  assert.deepEqual(named("mark_read").map(({ seq }) => seq), [3, 5, 5]);
});

test("nothing is typed into a dead link", async () => {
  const { client } = await connected();
  client.typing("c", true);
  client.typing("c", true);
  world.reachable = false;
  world.cut();
  client.typing("c", true);
  await settle();
  assert.equal(named("typing_start").length, 1);
});

test("disconnect is final: joins and messages that wait are told, no timer is left to reconnect", async () => {
  world.reachable = false;
  const client = world.client();
  client.connect();
  const joining = client.join("c");
  const acks = [];
  client.send("c", "too late", (ack) => acks.push(ack.error?.code));
  client.disconnect();
  await assert.rejects(joining, /closed/);
  assert.deepEqual(acks, ["timeout"]);
  world.reachable = true;
  await world.advance(20_000);
  assert.equal(client.state, "disconnected");
});
