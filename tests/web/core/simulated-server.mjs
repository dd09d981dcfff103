// In-memory chat server with fault injection, a simulated socket.io-client socket and a clock advanced by the tests.
import { mock } from "node:test";
import { ChatClient } from "../../../chatws/web/core/chat-client.js";

export const timers = { typingResendMs: 2000, typingExpireMs: 3000, presenceGraceMs: 5000, positionsMs: 30000 };

// Runs all pending promise callbacks.
export const settle = async () => {
  for (let round = 0; round < 30; round += 1) await Promise.resolve();
};

export class SimulatedServer {
  rows = [];
  byClientId = new Map();
  requests = [];
  epoch = "e1";
  reachable = true; // by sockets
  reason = "xhr poll error"; // of an attempt while it is not
  reachableOverRest = false;
  acksToDrop = 0;
  broadcastsToDrop = 0;
  refusals = new Map(); // event name -> list of errors, each used for one request
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
      io: (url, socketOptions) => (this.socket = new SimulatedSocket(this, socketOptions)),
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
    const stored = this.byClientId.get(clientMessageId);
    if (stored) return { ...stored, duplicate: true };
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
    if (this.broadcastsToDrop > 0) this.broadcastsToDrop -= 1;
    else if (this.joined) this.socket.receive("message_received", row);
  }

  answer(name, payload) {
    this.requests.push([name, payload]);
    const refusal = this.refusals.get(name)?.shift();
    if (refusal) return { success: false, error: { message: "refused", ...refusal } };
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

  // Simulates a network failure.
  cut() {
    this.joined = false;
    this.socket.end("transport close");
  }
}

class SimulatedSocket {
  connected = false;
  listeners = new Map();
  anyListener = null;
  pending = new Set();
  opened = 0;

  constructor(server, options) {
    this.server = server;
    this.options = options;
    this.io = { opts: {}, engine: { close: () => this.connected && this.end("forced close") } };
  }

  on(name, listener) {
    this.listeners.set(name, listener);
  }

  onAny(listener) {
    this.anyListener = listener;
  }

  connect() {
    this.opened += 1;
    this.options.auth((auth) => (this.auth = auth));
    queueMicrotask(() => {
      const error = this.server.connectErrors.shift();
      if (error) return this.listeners.get("connect_error")(Object.assign(new Error("refused"), { data: error }));
      if (!this.server.reachable) return this.listeners.get("connect_error")(new Error(this.server.reason));
      this.connected = true;
      this.receive("authenticated", { userId: "me", userName: "Me", role: "customer", epoch: this.server.epoch, timers });
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

  receive(name, payload) {
    if (this.connected) this.anyListener(name, payload);
  }

  timeout(ms) {
    return {
      emitWithAck: (name, payload) =>
        new Promise((resolve, reject) => {
          this.pending.add(reject);
          const reply = this.server.answer(name, payload);
          if (name === "send_message" && this.server.acksToDrop > 0) {
            this.server.acksToDrop -= 1;
            setTimeout(() => reject(new Error("timeout")), ms);
          } else {
            queueMicrotask(() => resolve(reply));
          }
        }),
    };
  }
}
