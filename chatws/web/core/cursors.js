/** Joined conversations of a client: join requests, message delivery, typing indicators and read marks. */

/** @import {HistoryAck, JoinAck, Message, Refused, TypingIndicator} from "./protocol.js" */
/** @import {ClientContext} from "./chat-client.js" */

import { retryDelayMs } from "./backoff.js";
import { ConversationCursor, MAX_HELD } from "./cursor.js";
import { PeerTyping } from "./peer-typing.js";

/** @typedef {{resolve: (ack: JoinAck) => void, reject: (reason: Error) => void}} JoinWaiter */

export class ConversationCursors {
  gapsFilled = 0;
  received = 0;
  /** @type {Map<string, ConversationCursor>} */
  #cursors = new Map();
  /** @type {Map<string, JoinWaiter[]>} */
  #waiters = new Map();
  /** @type {Map<string, {seq: number, sentSeq: number}>} */
  #readMarks = new Map();
  #peerTyping = new PeerTyping();
  #context;
  #isOwn;

  /**
   * @param {ClientContext} context
   * @param {(clientMessageId: string | undefined) => boolean} isOwn
   */
  constructor(context, isOwn) {
    this.#context = context;
    this.#isOwn = isOwn;
  }

  /** @returns {ConversationCursor[]} */
  all() {
    return [...this.#cursors.values()];
  }

  /** Number of messages received more than once. */
  get duplicates() {
    return this.all().reduce((sum, cursor) => sum + cursor.duplicates, 0);
  }

  /**
   * Whether requests for a conversation can be sent: it is joined, or, with `ifUnknown`, no join was requested.
   * @param {string} conversationId
   * @param {boolean} ifUnknown
   */
  canSend(conversationId, ifUnknown = true) {
    return this.#cursors.get(conversationId)?.joined ?? ifUnknown;
  }

  /**
   * Join a conversation; one that was joined before keeps its position.
   * @param {string} conversationId
   * @param {number | null} afterSeq
   * @returns {Promise<JoinAck>}
   */
  join(conversationId, afterSeq) {
    const cursor = this.#cursors.get(conversationId) ?? new ConversationCursor(conversationId, afterSeq);
    cursor.joined = false;
    this.#cursors.set(conversationId, cursor);
    /** @type {Promise<JoinAck>} */
    const joined = new Promise((resolve, reject) => {
      this.#waiters.set(conversationId, [...(this.#waiters.get(conversationId) ?? []), { resolve, reject }]);
    });
    // Callers that ignore the promise are notified of a failure by the `error` event.
    joined.catch(() => {});
    return joined;
  }

  /**
   * Join again after the server replied `not_joined`; return false if no join was requested.
   * @param {string} conversationId
   */
  rejoin(conversationId) {
    const cursor = this.#cursors.get(conversationId);
    if (cursor) cursor.joined = false;
    return cursor !== undefined;
  }

  /**
   * Leave a conversation: discard its position and reject pending joins with `reason`.
   * @param {string} conversationId
   * @param {Error} reason
   */
  leave(conversationId, reason) {
    this.#cursors.delete(conversationId);
    this.#readMarks.delete(conversationId);
    this.#emitTyping(this.#peerTyping.clear(conversationId));
    this.#settle(conversationId, ({ reject }) => reject(reason));
  }

  /** Reject all pending joins. @param {string} reason */
  close(reason) {
    for (const id of [...this.#waiters.keys()]) this.#settle(id, ({ reject }) => reject(new Error(reason)));
  }

  /** Keep positions and clear typing indicators after a disconnect. */
  disconnected() {
    for (const cursor of this.all()) cursor.disconnected();
    this.#emitTyping(this.#peerTyping.clear());
  }

  /** Send all read marks again after a reconnect. */
  resetSentMarks() {
    for (const mark of this.#readMarks.values()) mark.sentSeq = 0;
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   */
  markRead(conversationId, seq) {
    const mark = this.#readMarks.get(conversationId) ?? { seq: 0, sentSeq: 0 };
    mark.seq = Math.max(mark.seq, seq);
    this.#readMarks.set(conversationId, mark);
  }

  /** @param {Message} message */
  onMessage(message) {
    const cursor = this.#cursors.get(message.conversationId);
    if (!cursor) return;
    cursor.accept([message], MAX_HELD);
    this.deliver(cursor, cursor.release());
  }

  /** @param {TypingIndicator} indicator */
  onTyping(indicator) {
    this.#peerTyping.update(indicator);
    this.#context.emit("typing", indicator);
  }

  /** @param {Record<string, number>} positions */
  onPositions(positions) {
    for (const [id, head] of Object.entries(positions)) this.#cursors.get(id)?.announceHead(head, this.#context.now());
  }

  /**
   * Send all requests that are due; each conversation has at most one join or history request in flight.
   * @param {number} now
   */
  sendDue(now) {
    for (const cursor of this.all()) {
      cursor.applyAnnouncedHead(now);
      if (!cursor.requesting && cursor.notBefore <= now && (!cursor.joined || cursor.behind)) void this.#request(cursor);
    }
    for (const [id, mark] of this.#readMarks) {
      if (mark.sentSeq >= mark.seq || !this.canSend(id)) continue;
      mark.sentSeq = mark.seq;
      void this.#context.request("mark_read", { conversationId: id, seq: mark.seq });
    }
  }

  /** @returns {number[]} times at which requests become due */
  deadlines() {
    return this.all().flatMap((cursor) => cursor.deadlines());
  }

  /**
   * @param {ConversationCursor} cursor
   * @param {Message[]} messages
   */
  deliver(cursor, messages) {
    this.received += messages.length;
    for (const message of messages) {
      const own = this.#isOwn(message.clientMessageId);
      this.#context.emit("message", message, { own, caughtUp: message.seq <= cursor.headAtJoin });
    }
  }

  /** @param {ConversationCursor} cursor */
  async #request(cursor) {
    const wasJoined = cursor.joined;
    const connectionNumber = this.#context.connectionNumber();
    cursor.requesting = true;
    cursor.attempts += 1;
    const payload = wasJoined ? cursor.historyPayload() : cursor.joinPayload();
    const reply = await this.#context.request(wasJoined ? "history" : "join_conversation", payload);
    if (connectionNumber !== this.#context.connectionNumber()) return;
    if (this.#cursors.get(cursor.conversationId) !== cursor) return;
    cursor.requesting = false;
    if (reply?.success) {
      if (wasJoined) this.#onHistory(cursor, reply);
      else this.#onJoined(cursor, reply);
    } else if (reply) {
      this.#onRefused(cursor, reply, wasJoined);
    }
    this.#context.sendDue();
  }

  /**
   * @param {ConversationCursor} cursor
   * @param {JoinAck} ack
   */
  #onJoined(cursor, ack) {
    const again = cursor.joinedBefore;
    const { conversationId } = cursor;
    cursor.joinedBefore = true;
    cursor.applyJoin(ack);
    this.#context.emit("joined", ack, { again });
    this.#emitTyping(this.#peerTyping.clear(conversationId, ack.typing));
    for (const presence of ack.presence) this.#context.emit("presence", presence);
    this.#context.emit("conversation", ack.conversation);
    this.deliver(cursor, cursor.release());
    for (const mark of ack.readMarks) this.#context.emit("read", { conversationId, ...mark });
    this.#settle(conversationId, ({ resolve }) => resolve(ack));
  }

  /**
   * @param {ConversationCursor} cursor
   * @param {HistoryAck} ack
   */
  #onHistory(cursor, ack) {
    const reloaded = cursor.applyHistory(ack);
    if (reloaded) this.#context.emit("reloaded", cursor.conversationId, reloaded, ack.hasMoreBefore);
    const messages = cursor.release();
    if (messages.length) this.gapsFilled += 1;
    this.deliver(cursor, messages);
  }

  /**
   * @param {ConversationCursor} cursor
   * @param {Refused} reply
   * @param {boolean} wasJoined
   */
  #onRefused(cursor, { error }, wasJoined) {
    const mustRejoin = wasJoined && error.code === "not_joined";
    if (error.retryable || mustRejoin) {
      cursor.joined = wasJoined && !mustRejoin;
      cursor.notBefore = this.#context.now() + retryDelayMs(cursor.attempts, error.retryAfterMs);
      return;
    }
    this.leave(cursor.conversationId, new Error(error.message));
    this.#context.emit("error", { ...error, event: "join_conversation" });
  }

  /** @param {TypingIndicator[]} indicators */
  #emitTyping(indicators) {
    for (const indicator of indicators) this.#context.emit("typing", indicator);
  }

  /**
   * @param {string} conversationId
   * @param {(waiter: JoinWaiter) => void} settle
   */
  #settle(conversationId, settle) {
    const waiters = this.#waiters.get(conversationId) ?? [];
    this.#waiters.delete(conversationId);
    waiters.forEach(settle);
  }
}
