/**
 * One user's chat: conversations, outbox and connection, kept together.
 *
 * Promise: a joined conversation's messages are delivered once each, by `seq`, across links; a sent message is repeated
 * under its own id until the server stored or finally refused it.
 */

/** @import {Authenticated, Conversation, Failed, HistoryAck, InboxAck, JoinAck, Message} from "./protocol.js" */
/** @import {Presence, ReadMark, Refused, SendAck, TypingIndicator} from "./protocol.js" */
/** @import {ConnectionDetail, ConnectionState} from "./connection.js" */

import { Connection } from "./connection.js";
import { Fallback } from "./fallback.js";
import { Listeners } from "./listeners.js";
import { Mail } from "./mail.js";
import { Rest } from "./rest.js";
import { Rooms } from "./rooms.js";
import { OwnTyping } from "./typing.js";

const ACK_TIMEOUT_MS = 12_000;
/** Said again on every new link. */
const REMEMBERED = new Set(["set_presence", "subscribe_inbox"]);

/** @typedef {(SendAck | Refused) & {clientMessageId: string}} SendResult */
/** @typedef {{conversationId: string, content: string, clientMessageId: string}} Pending */
/**
 * @typedef {object} ChatEvents
 * @property {(state: ConnectionState, detail: ConnectionDetail) => void} connection
 * @property {(identity: Authenticated) => void} identity
 * @property {(message: Message, detail: {own: boolean, caughtUp: boolean}) => void} message
 * @property {(entry: Pending) => void} queued
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
 * What the parts of a chat share.
 * @typedef {object} Wire
 * @property {(name: string, payload: unknown) => Promise<any>} ask any: the table decides, by name; null without answer
 * @property {() => number} link rises with every link
 * @property {() => number} now milliseconds that never go back
 * @property {() => void} pump let everything leave whose time has come
 * @property {() => void} renew get a fresh token
 * @property {Listeners<ChatEvents>["emit"]} emit
 */

export class ChatClient {
  /** @type {Listeners<ChatEvents>} */
  #listeners = new Listeners();
  /** @type {Map<string, unknown>} */
  #remembered = new Map();
  #ownTyping = new OwnTyping();
  #errors = 0;
  #lastHeard = 0;
  #renewing = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #alarm;
  #now;
  #renewToken;
  #connection;
  /** @type {Mail} */
  #mail;
  /** @type {Rooms} */
  #rooms;
  #fallback;
  #hurry = () => this.#connection.hurry();

  /**
   * @param {object} options
   * @param {(url: string, options: object) => any} options.io socket.io-client's `io`
   * @param {string} [options.url] the server's origin; the page's own by default
   * @param {() => Record<string, string>} options.auth `{token}` or `{sessionId}`, asked for at every attempt
   * @param {(() => Promise<string | null>) | null} [options.renewToken] a fresh token, null when none can be had
   * @param {object} [options.socketOptions]
   * @param {number} [options.maxAttempts] the guide's `reconnectionAttempts`; for ever by default
   * @param {Storage | null} [options.storage] keeps unsent messages over a reload
   * @param {string} [options.storageKey]
   * @param {() => number} [options.now]
   * @param {() => number} [options.random]
   * @param {typeof fetch} [options.fetcher]
   */
  constructor(options) {
    this.#now = options.now ?? (() => performance.now());
    this.#renewToken = options.renewToken ?? null;
    this.rest = new Rest(options.url ?? "", () => restHeaders(options.auth()), options.fetcher);
    this.#connection = this.#makeConnection(options);
    const wire = this.#makeWire();
    this.#mail = new Mail(
      wire,
      (id) => this.#rooms.rejoin(id),
      options.storage ?? null,
      options.storageKey ?? "chatws.outbox",
    );
    this.#rooms = new Rooms(wire, (id) => this.#mail.isOwn(id));
    this.#fallback = this.#makeFallback();
  }

  get state() {
    return this.#connection.state;
  }

  /** Who we are, once the server has said so. */
  get identity() {
    return this.#connection.identity;
  }

  /** @returns {Pending[]} messages that wait for an answer, in order */
  get pending() {
    return this.#mail.outbox.entries();
  }

  /**
   * Call `listener` from now on; the function returned ends that.
   * @template {keyof ChatEvents} Name
   * @param {Name} name
   * @param {ChatEvents[Name]} listener
   */
  on(name, listener) {
    return this.#listeners.on(name, listener);
  }

  connect() {
    globalThis.addEventListener?.("online", this.#hurry);
    this.#connection.start();
  }

  /** Disconnect for good: what waits for the server, joins and messages, is told that it will not happen. */
  disconnect() {
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#connection.stop();
    this.#end();
  }

  /** Cut the link as a broken network would, until `resume`. */
  suspend() {
    this.#connection.suspend();
  }

  resume() {
    this.#connection.resume();
  }

  /**
   * Join now and after every reconnection; a conversation joined before keeps its position.
   * @param {string} conversationId
   * @param {number} [afterSeq] the last message that the page shows already
   */
  join(conversationId, afterSeq) {
    const joined = this.#rooms.want(conversationId, afterSeq ?? null);
    this.#pump();
    return joined;
  }

  /** @param {string} conversationId */
  leave(conversationId) {
    this.#rooms.forget(conversationId, new Error("the conversation was left"));
    this.#ownTyping.stop(conversationId);
    if (this.#connection.up) void this.#ask("leave_conversation", conversationId);
  }

  /**
   * Queue a message; it leaves as soon as it can, also after a reload of the page where there is a storage.
   * @param {string} conversationId
   * @param {string} content
   * @param {((result: SendResult) => void) | null} [done] called once, with the ack or the final refusal
   * @returns {string} the message's clientMessageId
   * @throws {import("./outbox.js").OutboxFull}
   */
  send(conversationId, content, done = null) {
    const clientMessageId = this.#mail.queue(conversationId, content, done);
    this.#ownTyping.stop(conversationId);
    this.#pump();
    this.#fallback.hurry();
    return clientMessageId;
  }

  /**
   * Tell that the user types, or no longer does; dropped without a link, and when it was just said.
   * @param {string} conversationId
   * @param {boolean} isTyping
   */
  typing(conversationId, isTyping) {
    if (!this.#connection.up) return;
    if (isTyping && this.#ownTyping.start(conversationId, this.#now())) void this.#ask("typing_start", conversationId);
    if (!isTyping && this.#ownTyping.stop(conversationId)) void this.#ask("typing_stop", conversationId);
  }

  /**
   * Everything up to `seq` has been read; said when there is a link, and again on the next one.
   * @param {string} conversationId
   * @param {number} seq
   */
  markRead(conversationId, seq) {
    this.#rooms.markRead(conversationId, seq);
    this.#pump();
  }

  /**
   * Read a page of messages, over REST where there is no link.
   * @param {string} conversationId
   * @param {{beforeSeq?: number, afterSeq?: number, limit?: number}} [page]
   * @returns {Promise<HistoryAck | Refused>}
   */
  async history(conversationId, page = {}) {
    const reply = this.#connection.up && (await this.#ask("history", { conversationId, ...page }));
    return reply || this.rest.get(`/api/conversations/${conversationId}/messages`, page);
  }

  /**
   * Make any other request; some are remembered and made again on every new link.
   * @param {string} name
   * @param {unknown} payload
   * @returns {Promise<any>} any: the table decides, by name; null without a link or an answer
   */
  async call(name, payload) {
    if (REMEMBERED.has(name)) this.#remembered.set(name, payload);
    return this.#connection.up ? this.#ask(name, payload) : null;
  }

  /** The guide's client-side metrics, counted since the client was made. */
  stats() {
    const connection = this.#connection;
    return {
      ...this.#mail.tally,
      state: connection.state,
      uptimeMs: connection.uptimeMs + (connection.openedAt === null ? 0 : this.#now() - connection.openedAt),
      reconnects: connection.reconnects,
      received: this.#rooms.received,
      duplicates: this.#rooms.duplicates,
      gapsFilled: this.#rooms.gapsFilled,
      errors: this.#errors,
      pending: this.#mail.outbox.size,
      lastAckMs: this.#mail.lastAckMs,
      restFallback: this.#fallback.active,
    };
  }

  /** @param {Authenticated} identity */
  #up(identity) {
    this.#lastHeard = this.#now();
    this.#fallback.stop();
    this.#ownTyping.resendMs = identity.timers.typingResendMs;
    this.#listeners.emit("identity", identity);
    this.#rooms.restartMarks();
    for (const [name, payload] of this.#remembered) void this.#ask(name, payload);
    this.#pump();
  }

  #down() {
    this.#ownTyping.forget();
    this.#rooms.lost();
    this.#mail.outbox.rewind();
  }

  /**
   * @param {ConnectionState} state
   * @param {ConnectionDetail} detail
   */
  #changed(state, detail) {
    this.#listeners.emit("connection", state, detail);
    if (state === "reconnecting") this.#fallback.consider(detail.attempt);
    if (state === "disconnected") this.#end();
  }

  #end() {
    const { failure } = this.#connection;
    if (!failure) return;
    clearTimeout(this.#alarm);
    this.#fallback.stop();
    this.#rooms.close(failure.message);
    this.#mail.fail(failure);
  }

  /**
   * @param {string} name
   * @param {any} payload any: the table decides, by name
   */
  #heard(name, payload) {
    this.#lastHeard = this.#now();
    if (name === "message_received") this.#rooms.hearMessage(payload);
    else if (name === "typing_indicator") this.#rooms.hearTyping(payload);
    else if (name === "presence_update") this.#listeners.emit("presence", payload);
    else if (name === "message_read") this.#listeners.emit("read", payload);
    else if (name === "conversation_updated") this.#listeners.emit("conversation", payload.conversation);
    else if (name === "positions") this.#rooms.hearPositions(payload);
    else if (name === "auth_expiring") void this.#renew();
    else if (name === "error") this.#listeners.emit("error", payload);
    else this.#listeners.emit("other", name, payload);
    this.#pump();
  }

  /** Let everything leave whose time has come. */
  #pump() {
    if (!this.#connection.up) return;
    const now = this.#now();
    this.#rooms.pump(now);
    // After a reload the page has yet to join what it wrote to before; without, the server says that it should.
    this.#mail.pump(now, (head) => this.#rooms.isOpen(head.conversationId, !head.restored));
    const later = [...this.#mail.outbox.deadlines(), ...this.#rooms.deadlines()].filter((time) => time > now);
    clearTimeout(this.#alarm);
    if (later.length) this.#alarm = setTimeout(() => this.#pump(), Math.min(...later) - now);
  }

  /**
   * @param {string} name
   * @param {unknown} payload
   * @returns {Promise<any>} any: the table decides, by name; null when no answer came
   */
  async #ask(name, payload) {
    const askedAt = this.#now();
    const reply = await this.#connection.request(name, payload, ACK_TIMEOUT_MS).catch(() => null);
    if (reply) {
      this.#lastHeard = this.#now();
      if (name === "subscribe_inbox" && reply.success) this.#listeners.emit("inbox", reply);
    } else if (this.#connection.up && this.#lastHeard < askedAt) {
      // Anything heard is proof of life: silence since the request left means a dead link, not a slow server.
      this.#connection.drop();
    }
    return reply;
  }

  async #renew() {
    if (!this.#renewToken || this.#renewing) return;
    this.#renewing = true;
    const token = await this.#renewToken().catch(() => null);
    this.#renewing = false;
    if (token && this.#connection.up) void this.#ask("refresh_token", { token });
  }

  /** @param {ConstructorParameters<typeof ChatClient>[0]} options */
  #makeConnection(options) {
    return new Connection(
      {
        io: options.io,
        url: options.url ?? "",
        auth: options.auth,
        renew: async () => (await this.#renewToken?.()) != null,
        socketOptions: options.socketOptions ?? {},
        maxAttempts: options.maxAttempts ?? Infinity,
        random: options.random ?? Math.random,
        now: this.#now,
      },
      {
        up: (identity) => this.#up(identity),
        down: () => this.#down(),
        change: (state, detail) => this.#changed(state, detail),
        event: (name, payload) => this.#heard(name, payload),
      },
    );
  }

  /** @returns {Wire} */
  #makeWire() {
    return {
      ask: (name, payload) => this.#ask(name, payload),
      link: () => this.#connection.link,
      now: this.#now,
      pump: () => this.#pump(),
      renew: () => void this.#renew(),
      emit: (name, ...values) => {
        if (name === "error") this.#errors += 1;
        this.#listeners.emit(name, ...values);
      },
    };
  }

  #makeFallback() {
    return new Fallback({
      rest: this.rest,
      rooms: () => this.#rooms.all(),
      takeReady: () => this.#mail.outbox.takeReady(this.#now(), () => true),
      answered: (entry, reply) => this.#mail.answered(entry, reply, true),
      unanswered: (entry) => this.#mail.unanswered(entry),
      deliver: (room, messages) => this.#rooms.deliver(room, messages),
      change: (active) => this.#listeners.emit("fallback", active),
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
