/** Sending and receiving over REST while no socket can be opened (guide, FAQ: What happens if WebSocket fails?). */

/** @import {HistoryAck, Message, Refused, SendAck} from "./protocol.js" */
/** @import {OutboxEntry} from "./outbox.js" */
/** @import {ConversationCursor} from "./cursor.js" */

import { ServerUnreachable } from "./rest-client.js";

/** Consecutive failed connection attempts before REST is used. */
const FAILED_ATTEMPTS_BEFORE_START = 3;
const POLL_MS = 3_000;
const PAGE_SIZE = 100;

/**
 * Access to the chat client.
 * @typedef {object} FallbackContext
 * @property {import("./rest-client.js").RestClient} rest
 * @property {() => ConversationCursor[]} cursors
 * @property {() => OutboxEntry[]} takeReady
 * @property {(entry: OutboxEntry, reply: SendAck | Refused) => void} applyReply
 * @property {(entry: OutboxEntry) => void} retry
 * @property {(cursor: ConversationCursor, messages: Message[]) => void} deliver
 * @property {(active: boolean) => void} activeChanged
 */

export class RestFallback {
  /** Whether REST is used: no socket can be opened, and REST requests succeed. */
  active = false;
  #context;
  #running = false;
  #exchanging = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {FallbackContext} context */
  constructor(context) {
    this.#context = context;
  }

  /**
   * Start if enough consecutive connection attempts have failed.
   * @param {number} failedAttempts
   */
  startAfter(failedAttempts) {
    if (this.#running || failedAttempts < FAILED_ATTEMPTS_BEFORE_START) return;
    this.#running = true;
    void this.#exchange();
  }

  /** Stop after a reconnect or `disconnect`. */
  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#setActive(false);
  }

  /** Send queued messages now instead of at the next poll. */
  sendNow() {
    if (this.active) void this.#exchange();
  }

  async #exchange() {
    if (this.#exchanging) return;
    this.#exchanging = true;
    clearTimeout(this.#timer);
    try {
      await this.#send();
      await this.#receive();
      this.#setActive(this.#running);
    } catch (failure) {
      if (!(failure instanceof ServerUnreachable)) throw failure;
      this.#setActive(false);
    } finally {
      this.#exchanging = false;
      if (this.#running) this.#timer = setTimeout(() => void this.#exchange(), POLL_MS);
    }
  }

  /** Send the queued messages, one after the other within a conversation. */
  async #send() {
    while (this.#running) {
      const ready = this.#context.takeReady();
      if (ready.length === 0) return;
      await Promise.all(ready.map((entry) => this.#post(entry)));
    }
  }

  /** @param {OutboxEntry} entry */
  async #post(entry) {
    const { conversationId, content, clientMessageId } = entry;
    try {
      const path = `/api/conversations/${conversationId}/messages`;
      this.#context.applyReply(entry, await this.#context.rest.post(path, { content, clientMessageId }));
    } catch (failure) {
      this.#context.retry(entry);
      throw failure;
    }
  }

  async #receive() {
    for (const cursor of this.#context.cursors()) {
      for (let more = true; more && this.#running; ) {
        const query = cursor.last === null ? { limit: 1 } : { afterSeq: cursor.last, limit: PAGE_SIZE };
        const path = `/api/conversations/${cursor.conversationId}/messages`;
        /** @type {HistoryAck | Refused} */
        const page = await this.#context.rest.get(path, query);
        if (!page.success || !this.#running) break;
        more = cursor.last !== null && page.hasMoreAfter;
        this.#context.deliver(cursor, cursor.applyRestPage(page));
      }
    }
  }

  /** @param {boolean} active */
  #setActive(active) {
    if (this.active === active) return;
    this.active = active;
    this.#context.activeChanged(active);
  }
}
