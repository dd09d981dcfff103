// Chat server on Node's socket.io with the promises of chatws on the path of a message: JWT and customer sessions,
// validated payloads, membership, limits, idempotency, `seq`, and a commit to SQLite before broadcast and ack.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";
import { CommitPerMessage, CommitPerTurn } from "./commit_queue.mjs";
import { RequestError, asRequestError } from "./errors.mjs";
import { Admission, ConnectionRates } from "./limits.mjs";
import { parseJoinConversation, parseSendMessage } from "./payloads.mjs";
import { Store } from "./store.mjs";

const MAX_FRAME_BYTES = 64 * 1024;
const MAX_TOKEN_CHARS = 8 * 1024;
const MAX_LIFETIME_S = 86_400;
const SUBJECT = /^[A-Za-z0-9_-]{1,64}$/;
const TIMERS = { typingResendMs: 2_000, typingExpireMs: 3_000, presenceGraceMs: 5_000, positionsMs: 30_000 };

// `limits` is a JSON object with the names of chatws's settings; the data directory holds the key of the tokens.
const { values: options } = parseArgs({
  options: {
    "data-dir": { type: "string" },
    commit: { type: "string" }, // "message" or "turn"
    limits: { type: "string" },
  },
});
const limits = JSON.parse(options.limits);
const secret = readFileSync(join(options["data-dir"], "secret"), "utf8").trim();
const store = new Store(join(options["data-dir"], "chat.db"));
const queue = options.commit === "turn" ? new CommitPerTurn(store) : new CommitPerMessage(store);
const admission = new Admission(limits, performance.now());

const http = createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/api/sessions") return response.writeHead(404).end();
  request.resume();
  request.on("end", () => {
    const body = JSON.stringify({ success: true, ...store.createSession(Date.now()) });
    response.writeHead(201, { "Content-Type": "application/json" }).end(body);
  });
});
const io = new Server(http, { maxHttpBufferSize: MAX_FRAME_BYTES, serveClient: false });
const rooms = io.of("/").adapter;
rooms.on("delete-room", (room) => store.forget(room.slice("conversation:".length)));

function authenticate({ token, sessionId }) {
  if ((typeof token === "string") === (typeof sessionId === "string")) throw new RequestError("unauthorized");
  return typeof token === "string" ? authenticateAgent(token) : authenticateCustomer(sessionId);
}

function authenticateAgent(token) {
  let claims;
  try {
    if (token.length > MAX_TOKEN_CHARS) throw new RequestError("unauthorized");
    claims = jwt.verify(token, secret, { algorithms: ["HS256"] });
  } catch (error) {
    throw new RequestError(error instanceof jwt.TokenExpiredError ? "token_expired" : "unauthorized");
  }
  const isValid =
    SUBJECT.test(claims.sub) && claims.role === "admin" && claims.exp - (claims.iat ?? 0) <= MAX_LIFETIME_S;
  if (!isValid) throw new RequestError("unauthorized");
  const user = store.ensureAgent(claims.sub, claims.name ?? claims.sub, Date.now());
  return { user, expiresAtMs: claims.exp * 1000 };
}

function authenticateCustomer(sessionId) {
  const session = store.findSession(sessionId);
  if (session === undefined) throw new RequestError("unauthorized");
  if (session.expiresAtMs <= Date.now()) throw new RequestError("session_expired");
  return session;
}

function checkExpiry({ user, expiresAtMs }) {
  if (Date.now() >= expiresAtMs) throw new RequestError(user.role === "admin" ? "token_expired" : "session_expired");
}

function joinConversation(socket, payload) {
  const { user, rates } = socket.data;
  rates.total.take(performance.now());
  const { conversationId, afterSeq, epoch } = parseJoinConversation(payload);
  checkExpiry(socket.data);
  const found = store.findConversation(conversationId);
  if (found === undefined || (user.role === "customer" && found.customer.userId !== user.userId)) {
    throw new RequestError("forbidden");
  }
  rates.join.take(performance.now());
  const room = `conversation:${conversationId}`;
  const members = rooms.rooms.get(room)?.size ?? 0;
  // A socket is always in a room of its own.
  const isFull = members >= limits.members_per_room || socket.rooms.size > limits.rooms_per_socket;
  if (isFull && !socket.rooms.has(room)) throw new RequestError("connection_limit");
  socket.join(room);
  const recovered = (epoch === undefined || epoch === store.epoch) && (afterSeq ?? 0) <= found.headSeq;
  const messages = recovered && afterSeq !== undefined ? store.messagesAfter(conversationId, afterSeq) : [];
  socket.emit("joined_conversation", { conversationId });
  return {
    success: true,
    conversation: {
      conversationId,
      status: "queued",
      version: 0,
      customer: found.customer,
      assignee: null,
      createdAt: new Date(found.createdAt).toISOString(),
      updatedAt: new Date(found.updatedAt).toISOString(),
      headSeq: found.headSeq,
      lastMessage: null,
    },
    epoch: store.epoch,
    recovered,
    messages,
    hasMore: messages.length > 0 && messages.at(-1).seq < found.headSeq,
    readMarks: [],
    typing: [],
    presence: [],
  };
}

function sendMessage(socket, payload, reply) {
  const { user, rates } = socket.data;
  rates.total.take(performance.now());
  const { conversationId, content, clientMessageId } = parseSendMessage(payload);
  checkExpiry(socket.data);
  const room = `conversation:${conversationId}`;
  if (!socket.rooms.has(room)) throw new RequestError("not_joined");
  rates.send.take(performance.now());
  const draft = { conversationId, sender: user, content, clientMessageId, createdAt: Date.now() };
  queue.append(draft, (error, stored) => {
    if (error !== undefined) return reply(error.reply());
    const { messageId, seq, createdAt, duplicate } = stored;
    const timestamp = new Date(createdAt).toISOString();
    if (duplicate) return reply({ success: true, messageId, seq, timestamp, duplicate });
    const message = { conversationId, content, sender: user, timestamp, messageId, seq, clientMessageId };
    io.to(room).emit("message_received", message);
    reply({ success: true, messageId, seq, timestamp });
  });
}

// Return the ack function of a request; a refusal of a request without one is an event.
function replyTo(socket, event, ack) {
  if (typeof ack === "function") return ack;
  return ({ success, error }) => success || socket.emit("error", { message: error.message, code: error.code, event });
}

io.use((socket, next) => {
  try {
    const identity = authenticate(socket.handshake.auth);
    const now = performance.now();
    const release = admission.open(identity.user, socket.handshake.address, now);
    socket.conn.once("close", release);
    socket.data = { ...identity, rates: new ConnectionRates(limits, now) };
    next();
  } catch (error) {
    next(asRequestError(error));
  }
});

io.on("connection", (socket) => {
  const { user, expiresAtMs } = socket.data;
  socket.emit("authenticated", {
    ...user,
    expiresAt: new Date(expiresAtMs).toISOString(),
    serverTime: new Date().toISOString(),
    epoch: store.epoch,
    timers: TIMERS,
  });
  socket.on("join_conversation", (payload, ack) => {
    const reply = replyTo(socket, "join_conversation", ack);
    try {
      reply(joinConversation(socket, payload));
    } catch (error) {
      reply(asRequestError(error).reply());
    }
  });
  socket.on("send_message", (payload, ack) => {
    const reply = replyTo(socket, "send_message", ack);
    try {
      sendMessage(socket, payload, reply);
    } catch (error) {
      reply(asRequestError(error).reply());
    }
  });
});

http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
