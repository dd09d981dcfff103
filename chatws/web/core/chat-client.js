/**
 * Chat client of one user: joined conversations, outbox, connection and REST fallback.
 *
 * Guarantee: the messages of a joined conversation are delivered exactly once and in the order of `seq`, across
 * reconnects; a sent message is retried under the same id until the server has stored or finally refused it.
 */

/** @import {Authenticated, Conversation, Failed, HistoryAck, InboxAck, JoinAck, Message} from "./protocol.js" */
/** @import {Presence, ReadMark, Refused, SendAck, TypingIndicator} from "./protocol.js" */
/** @import {ConnectionDetail, ConnectionState} from "./connection.js" */

import { Connection } from "./connection.js";
import { ConversationCursors } from "./cursors.js";
import { EventEmitter } from "./event-emitter.js";
import { isReadable } from "./event-fields.js";
import { MessageSender } from "./message-sender.js";
import { RestClient } from "./rest-client.js";
import { RestFallback } from "./rest-fallback.js";
import { TypingThrottle } from "./typing-throttle.js";

const ACK_TIMEOUT_MS = 12_000;
/** Requests whose last payload is sent again after every reconnect. */
const RESENT_ON_RECONNECT = new Set(["set_presence", "subscribe_inbox"]);

/** @typedef {(SendAck | Refused) & {clientMessageId: string}} SendResult */
/** @typedef {{conversationId: string, content: string, clientMessageId: string}} PendingMessage */
/**
 * @typedef {object} ChatEvents
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} connection
 * @property {(identity: Authenticated) => void} identity
 * @property {(message: Message, detail: {own: boolean, caughtUp: boolean}) => void} message
 * @property {(entry: PendingMessage) => void} queued
 * @property {(result: SendResult, conversationId: string) => void} settled
 * @property {(ack: JoinAck, detail: {again: boolean}) => void} joined
 * @property {(conversationId: string, messages: Message[], hasMoreBefore: boolean) => void} reloaded
 * @property {(indicator: TypingIndicator) => void} typing
 * @property {(presence: Presence) => void} presence
 * @property {(mark: ReadMark & {conversationId: string}) => void} read
 * @property {(conversation: Conversation) => void} conversation
 * @property {(ack: InboxAck) => void} inbox
 * @property {(failed: Failed) => void} error
 * @property {(active: boolean) => void} fallback
 * @property {(name: string, payload: unknown) => void} other
 */

/**
 * Access of the client's parts to its connection, clock and events.
 * @typedef {object} ClientContext
 * @property {(name: string, payload: unknown) => Promise<any>} request any: the reply's type depends on the event name;
 *   null without a reply
 * @property {() => number} connectionNumber increased by every reconnect
 * @property {() => number} now monotonic time in milliseconds
 * @property {() => void} sendDue send all requests that are due
 * @property {() => void} renewToken fetch a fresh token
 * @property {EventEmitter<ChatEvents>["emit"]} emit
 */

export class ChatClient {
  /** @type {EventEmitter<ChatEvents>} */
  #emitter = new EventEmitter();
  /** Payloads of the requests in `RESENT_ON_RECONNECT`. @type {Map<string, unknown>} */
  #resentRequests = new Map();
  #typingThrottle = new TypingThrottle();
  #errors = 0;
  #lastReceivedAt = 0;
  #renewing = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #now;
  #fetchToken;
  #connection;
  /** @type {MessageSender} */
  #sender;
  /** @type {ConversationCursors} */
  #cursors;
  #fallback;
  #onOnline = () => this.#connection.retryNow();

  /**
   * @param {object} options
   * @param {(url: string, options: object) => any} options.io socket.io-client's `io`
   * @param {string} [options.url] the server's origin; by default the origin of the page
   * @param {() => Record<string, string>} options.auth `{token}` or `{sessionId}`, called before every attempt
   * @param {(() => Promise<string | null>) | null} [options.renewToken] fetches a fresh token, null if there is none
   * @param {{transports?: string[]}} [options.socketOptions]
   * @param {number} [options.maxAttempts] the guide's `reconnectionAttempts`; unlimited by default
   * @param {Storage | null} [options.storage] keeps unsent messages when the page is reloaded
   * @param {string} [options.storageKey]
   * @param {() => number} [options.now]
   * @param {() => number} [options.random]
   * @param {typeof fetch} [options.fetcher]
   */
  constructor(options) {
    this.#now = options.now ?? (() => performance.now());
    this.#fetchToken = options.renewToken ?? null;
    this.rest = new RestClient(options.url ?? "", () => restHeaders(options.auth()), options.fetcher);
    this.#connection = this.#makeConnection(options);
    const context = this.#makeContext();
    this.#sender = new MessageSender(
      context,
      (id) => this.#cursors.rejoin(id),
      options.storage ?? null,
      options.storageKey ?? "chatws.outbox",
    );
    this.#cursors = new ConversationCursors(context, (id) => this.#sender.isOwn(id));
    this.#fallback = this.#makeFallback();
  }

  get state() {
    return this.#connection.state;
  }

  /** Authenticated user; null before the first connection. */
  get identity() {
    return this.#connection.identity;
  }

  /** @returns {PendingMessage[]} messages without an acknowledgement, in order */
  get pending() {
    return this.#sender.outbox.entries();
  }

  /**
   * Register a listener and return the function that removes it.
   * @template {keyof ChatEvents} Name
   * @param {Name} name
   * @param {ChatEvents[Name]} listener
   */
  on(name, listener) {
    return this.#emitter.on(name, listener);
  }

  connect() {
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#connection.start();
  }

  /** Disconnect without reconnecting; pending joins are rejected and queued messages settled as failed. */
  disconnect() {
    globalThis.removeEventListener?.("online", this.#onOnline);
    this.#connection.stop();
    this.#failPending();
  }

  /** Simulate an outage until `resume`: close the connection abruptly and do not reconnect. */
  suspend() {
    this.#connection.suspend();
  }

  resume() {
    this.#connection.resume();
  }

  /**
   * Join a conversation now and after every reconnect; one that was joined before keeps its position.
   * @param {string} conversationId
   * @param {number} [afterSeq] `seq` of the last message that the page already shows
   */
  join(conversationId, afterSeq) {
    const joined = this.#cursors.join(conversationId, afterSeq ?? null);
    this.#sendDue();
    return joined;
  }

  /** @param {string} conversationId */
  leave(conversationId) {
    this.#cursors.leave(conversationId, new Error("the conversation was left"));
    this.#typingThrottle.stop(conversationId);
    if (this.#connection.ready) void this.#request("leave_conversation", conversationId);
  }

  /**
   * Queue a message and send it as soon as possible; with a storage, also after the page was reloaded.
   * @param {string} conversationId
   * @param {string} content
   * @param {((result: SendResult) => void) | null} [done] called once, with the acknowledgement or the final refusal
   * @param {string} [id] that of a refused message that is sent again, as it may be stored; by default a new one
   * @returns {string} the message's clientMessageId
   * @throws {import("./outbox.js").OutboxFull}
   */
  send(conversationId, content, done = null, id) {
    const clientMessageId = this.#sender.enqueue(conversationId, content, done, id);
    this.#typingThrottle.stop(conversationId);
    this.#sendDue();
    this.#fallback.sendNow();
    return clientMessageId;
  }

  /**
   * Send a typing notification; it is dropped while disconnected and when the same one was just sent.
   * @param {string} conversationId
   * @param {boolean} isTyping
   */
  typing(conversationId, isTyping) {
    if (!this.#connection.ready) return;
    if (isTyping && this.#typingThrottle.start(conversationId, this.#now())) void this.#request("typing_start", conversationId);
    if (!isTyping && this.#typingThrottle.stop(conversationId)) void this.#request("typing_stop", conversationId);
  }

  /**
   * Mark all messages up to `seq` as read; the mark is sent once connected and again after every reconnect.
   * @param {string} conversationId
   * @param {number} seq
   */
  markRead(conversationId, seq) {
    this.#cursors.markRead(conversationId, seq);
    this.#sendDue();
  }

  /**
   * Fetch a page of messages, over REST while disconnected.
   * @param {string} conversationId
   * @param {{beforeSeq?: number, afterSeq?: number, limit?: number}} [page]
   * @returns {Promise<HistoryAck | Refused>}
   */
  async history(conversationId, page = {}) {
    const reply = this.#connection.ready && (await this.#request("history", { conversationId, ...page }));
    return reply || this.rest.get(`/api/conversations/${conversationId}/messages`, page);
  }

  /**
   * Send any other request; those in `RESENT_ON_RECONNECT` are sent again after every reconnect.
   * @param {string} name
   * @param {unknown} payload
   * @returns {Promise<any>} any: the reply's type depends on the event name; null without a connection or a reply
   */
  async call(name, payload) {
    if (RESENT_ON_RECONNECT.has(name)) this.#resentRequests.set(name, payload);
    return this.#connection.ready ? this.#request(name, payload) : null;
  }

  /** Return the guide's client-side metrics, counted since the client was created. */
  stats() {
    const connection = this.#connection;
    return {
      ...this.#sender.counters,
      state: connection.state,
      uptimeMs: connection.uptimeMs + (connection.openedAt === null ? 0 : this.#now() - connection.openedAt),
      reconnects: connection.reconnects,
      received: this.#cursors.received,
      duplicates: this.#cursors.duplicates,
      gapsFilled: this.#cursors.gapsFilled,
      errors: this.#errors,
      pending: this.#sender.outbox.size,
      lastAckMs: this.#sender.lastAckMs,
      restFallback: this.#fallback.active,
    };
  }

  /** @param {Authenticated} identity */
  #onOpened(identity) {
    this.#lastReceivedAt = this.#now();
    this.#fallback.stop();
    this.#typingThrottle.resendMs = identity.timers.typingResendMs;
    this.#emitter.emit("identity", identity);
    this.#cursors.resetSentMarks();
    for (const [name, payload] of this.#resentRequests) void this.#request(name, payload);
    this.#sendDue();
  }

  #onClosed() {
    this.#typingThrottle.reset();
    this.#cursors.disconnected();
    this.#sender.outbox.resetInFlight();
  }

  /**
   * @param {ConnectionState} state
   * @param {ConnectionDetail} detail
   */
  #onStateChanged(state, detail) {
    this.#emitter.emit("connection", state, detail);
    if (state === "reconnecting") this.#fallback.startAfter(detail.attempt);
    if (state === "disconnected") this.#failPending();
  }

  #failPending() {
    const { failure } = this.#connection;
    if (!failure) return;
    clearTimeout(this.#timer);
    this.#fallback.stop();
    this.#cursors.close(failure.message);
    this.#sender.failAll(failure);
  }

  /**
   * @param {string} name
   * @param {any} payload any: its type depends on the event name
   */
  #onEvent(name, payload) {
    this.#lastReceivedAt = this.#now();
    if (!isReadable(name, payload)) return;
    if (name === "message_received") this.#cursors.onMessage(payload);
    else if (name === "typing_indicator") this.#cursors.onTyping(payload);
    else if (name === "presence_update") this.#emitter.emit("presence", payload);
    else if (name === "message_read") this.#emitter.emit("read", payload);
    else if (name === "conversation_updated") this.#emitter.emit("conversation", payload.conversation);
    else if (name === "positions") this.#cursors.onPositions(payload);
    else if (name === "auth_expiring") void this.#renewToken();
    else if (name === "error") this.#emitter.emit("error", payload);
    else this.#emitter.emit("other", name, payload);
    this.#sendDue();
  }

  /** Send all requests that are due, and set the timer for the next one. */
  #sendDue() {
    if (!this.#connection.ready) return;
    const now = this.#now();
    this.#cursors.sendDue(now);
    // A restored message waits until the reloaded page joins its conversation; the server would refuse it.
    this.#sender.sendDue(now, (first) => this.#cursors.canSend(first.conversationId, !first.restored));
    const later = [...this.#sender.outbox.deadlines(), ...this.#cursors.deadlines()].filter((time) => time > now);
    clearTimeout(this.#timer);
    if (later.length) this.#timer = setTimeout(() => this.#sendDue(), Math.min(...later) - now);
  }

  /**
   * @param {string} name
   * @param {unknown} payload
   * @returns {Promise<any>} any: the reply's type depends on the event name; null without a reply
   */
  async #request(name, payload) {
    const sentAt = this.#now();
    const reply = await this.#connection.request(name, payload, ACK_TIMEOUT_MS).catch(() => null);
    if (reply) {
      this.#lastReceivedAt = this.#now();
      if (name === "subscribe_inbox" && reply.success) this.#emitter.emit("inbox", reply);
    } else if (this.#connection.ready && this.#lastReceivedAt < sentAt) {
      // If nothing was received since the request was sent, the connection is dead, not the server slow.
      this.#connection.closeTransport();
    }
    return reply;
  }

  async #renewToken() {
    if (!this.#fetchToken || this.#renewing) return;
    this.#renewing = true;
    const token = await this.#fetchToken().catch(() => null);
    if (token && this.#connection.ready) await this.#request("refresh_token", { token });
    this.#renewing = false;
  }

  /** @param {ConstructorParameters<typeof ChatClient>[0]} options */
  #makeConnection(options) {
    return new Connection(
      {
        io: options.io,
        url: options.url ?? "",
        auth: options.auth,
        renew: async () => (await this.#fetchToken?.()) != null,
        socketOptions: options.socketOptions ?? {},
        maxAttempts: options.maxAttempts ?? Infinity,
        random: options.random ?? Math.random,
        now: this.#now,
      },
      {
        opened: (identity) => this.#onOpened(identity),
        closed: () => this.#onClosed(),
        stateChanged: (state, detail) => this.#onStateChanged(state, detail),
        event: (name, payload) => this.#onEvent(name, payload),
      },
    );
  }

  /** @returns {ClientContext} */
  #makeContext() {
    return {
      request: (name, payload) => this.#request(name, payload),
      connectionNumber: () => this.#connection.number,
      now: this.#now,
      sendDue: () => this.#sendDue(),
      renewToken: () => void this.#renewToken(),
      emit: (name, ...values) => {
        if (name === "error") this.#errors += 1;
        this.#emitter.emit(name, ...values);
      },
    };
  }

  #makeFallback() {
    return new RestFallback({
      rest: this.rest,
      cursors: () => this.#cursors.all(),
      takeReady: () => this.#sender.outbox.takeReady(this.#now(), () => true),
      applyReply: (entry, reply) => this.#sender.applyReply(entry, reply, true),
      retry: (entry) => this.#sender.retry(entry),
      deliver: (cursor, messages) => this.#cursors.deliver(cursor, messages),
      activeChanged: (active) => this.#emitter.emit("fallback", active),
    });
  }
}

/**
 * @param {Record<string, string>} auth
 * @returns {Record<string, string>}
 */
function restHeaders({ token, sessionId }) {
  if (token) return { Authorization: `Bearer ${token}` };
  return sessionId ? { "X-Session-Id": sessionId } : {};
}
