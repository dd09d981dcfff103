// A chat server in memory and the socket a client would have to it; faults on demand, and a clock that tests move.
import { mock } from "node:test";
import { ChatClient } from "../../../chatws/web/core/chat.js";

export const timers = { typingResendMs: 2000, typingExpireMs: 3000, presenceGraceMs: 5000, positionsMs: 30000 };

// Lets promises settle that wait for nothing but each other.
export const settle = async () => {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
};

export class World {
  rows = [];
  byClientId = new Map();
  requests = [];
  epoch = "e1";
  reachable = true; // for sockets
  reachableOverRest = false;
  loseAcks = 0;
  loseBroadcasts = 0;
  refusals = new Map(); // event name -> list of errors, each used once
  connectErrors = [];
  posts = [];
  joined = false;
  socket = null;

  constructor() {
    mock.timers.enable({ apis: ["setTimeout"] });
    this.now = 0;
  }

  client(options = {}) {
    return new ChatClient({
      io: (url, socketOptions) => (this.socket = new FakeSocket(this, socketOptions)),
      auth: () => ({ sessionId: "s" }),
      now: () => this.now,
      random: () => 0.5,
      fetcher: (url, request) => this.fetch(url, request),
      ...options,
    });
  }

  async advance(ms) {
    for (let passed = 0; passed < ms; passed += 50) {
      this.now += 50;
      mock.timers.tick(50);
      await settle();
    }
  }

  store(content, clientMessageId, userId = "other") {
    const known = this.byClientId.get(clientMessageId);
    if (known) return { ...known, duplicate: true };
    const seq = this.rows.length + 1;
    const timestamp = "2026-01-01T00:00:00.000Z";
    const sender = { userId, userName: userId, role: "customer" };
    const row = { conversationId: "c", content, sender, timestamp, messageId: `m${seq}`, seq, clientMessageId };
    this.rows.push(row);
    const ack = { success: true, messageId: row.messageId, seq, timestamp };
    if (clientMessageId) this.byClientId.set(clientMessageId, ack);
    this.broadcast(row);
    return ack;
  }

  broadcast(row) {
    if (this.loseBroadcasts > 0) this.loseBroadcasts -= 1;
    else if (this.joined) this.socket.hear("message_received", row);
  }

  answer(name, payload) {
    this.requests.push([name, payload]);
    const refusal = this.refusals.get(name)?.shift();
    if (refusal) return { success: false, error: { message: "no", ...refusal } };
    if (name === "join_conversation") return this.join(payload);
    if (name === "history") return this.page(payload);
    if (name === "send_message") return this.store(payload.content, payload.clientMessageId, "me");
    return { success: true };
  }

  join(payload) {
    this.joined = true;
    const after = payload.afterSeq;
    const recovered = (payload.epoch ?? this.epoch) === this.epoch && (after ?? 0) <= this.rows.length;
    const messages = recovered && after !== undefined ? this.rows.slice(after, after + 3) : [];
    const hasMore = messages.length > 0 && messages.at(-1).seq < this.rows.length;
    const conversation = { conversationId: "c", headSeq: this.rows.length };
    const lists = { readMarks: [], typing: [], presence: [] };
    return { success: true, conversation, epoch: this.epoch, recovered, messages, hasMore, ...lists };
  }

  page({ afterSeq, limit = 50 }) {
    const from = afterSeq ?? Math.max(0, this.rows.length - limit);
    const messages = this.rows.slice(from, from + limit);
    const hasMoreAfter = from + messages.length < this.rows.length;
    return { success: true, messages, hasMoreBefore: from > 0, hasMoreAfter, headSeq: this.rows.length };
  }

  async fetch(url, request) {
    if (!this.reachableOverRest) throw new TypeError("Failed to fetch");
    const body = request.body && JSON.parse(request.body);
    if (request.method === "POST") this.posts.push(body);
    const query = Object.fromEntries([...new URL(url, "http://x").searchParams].map(([k, v]) => [k, Number(v)]));
    const reply = body ? this.store(body.content, body.clientMessageId, "me") : this.page(query);
    return { json: async () => reply };
  }

  // The network fails: neither side hears the other's end of it.
  cut() {
    this.joined = false;
    this.socket.end("transport close");
  }
}

class FakeSocket {
  connected = false;
  listeners = new Map();
  any = null;
  pending = new Set();
  opened = 0;

  constructor(world, options) {
    this.world = world;
    this.options = options;
    this.io = { engine: { close: () => this.connected && this.end("forced close") } };
  }

  on(name, listener) {
    this.listeners.set(name, listener);
  }

  onAny(listener) {
    this.any = listener;
  }

  connect() {
    this.opened += 1;
    this.options.auth((auth) => (this.auth = auth));
    queueMicrotask(() => {
      const problem = this.world.connectErrors.shift();
      if (problem) return this.listeners.get("connect_error")(Object.assign(new Error("refused"), { data: problem }));
      if (!this.world.reachable) return this.listeners.get("connect_error")(new Error("xhr poll error"));
      this.connected = true;
      this.hear("authenticated", { userId: "me", userName: "Me", role: "customer", epoch: this.world.epoch, timers });
    });
  }

  disconnect() {
    if (this.connected) this.end("io client disconnect");
  }

  end(reason) {
    this.connected = false;
    for (const reject of this.pending) reject(new Error("disconnected"));
    this.pending.clear();
    this.listeners.get("disconnect")(reason);
  }

  hear(name, payload) {
    if (this.connected) this.any(name, payload);
  }

  timeout(ms) {
    return {
      emitWithAck: (name, payload) =>
        new Promise((resolve, reject) => {
          this.pending.add(reject);
          const reply = this.world.answer(name, payload);
          if (name === "send_message" && this.world.loseAcks > 0) {
            this.world.loseAcks -= 1;
            setTimeout(() => reject(new Error("timeout")), ms);
          } else {
            queueMicrotask(() => resolve(reply));
          }
        }),
    };
  }
}
