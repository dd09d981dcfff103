/** Read position of one joined conversation: ordering, duplicate detection and gap recovery of its messages. */

/** @import {History, HistoryAck, JoinAck, JoinConversation, Message} from "./protocol.js" */

/** Limit of messages held back behind a gap; messages beyond it are dropped and fetched again. */
export const MAX_HELD = 1_000;

/** Delay before a head announced by `positions` counts as a gap: its broadcast may still arrive. */
const POSITION_GRACE_MS = 1_000;

/** History requests without progress after which the conversation is reloaded. */
const MAX_STALLS = 2;

const HISTORY_LIMIT = 100;

/**
 * Cursor of one conversation.
 *
 * Guarantee: `release` returns every `seq` after the position exactly once and in order, whatever the order of arrival,
 * as long as the position is valid. If the server rejects the position, `reloading` is set and the next history page
 * starts a new one.
 */
export class ConversationCursor {
  /** Last seq released; null until the first join without a position. @type {number | null} */
  last;
  /** Highest seq known to exist. */
  head;
  /** @type {string | undefined} */
  epoch;
  joined = false;
  /** A join or history request is in flight. */
  requesting = false;
  reloading = false;
  joinedBefore = false;
  notBefore = 0;
  attempts = 0;
  duplicates = 0;
  /** Head of the conversation at the last join; messages up to it were missed before. */
  headAtJoin = 0;
  /** Head announced by the server whose broadcast has not arrived. @type {{seq: number, at: number} | null} */
  #announced = null;
  /** @type {Map<number, Message>} */
  #held = new Map();
  #stalls = 0;

  /**
   * @param {string} conversationId
   * @param {number | null} afterSeq
   */
  constructor(conversationId, afterSeq = null) {
    this.conversationId = conversationId;
    this.last = afterSeq;
    this.head = afterSeq ?? 0;
  }

  /** Whether history has to be requested. */
  get behind() {
    return this.joined && (this.reloading || this.head > (this.last ?? 0));
  }

  /**
   * Accept messages in any order; when `bound` messages are held back, others are left to a later history page.
   * @param {Message[]} messages
   * @param {number} [bound]
   */
  accept(messages, bound = Infinity) {
    for (const message of messages) {
      const last = this.last ?? 0;
      if (message.seq <= last || this.#held.has(message.seq)) {
        this.duplicates += 1;
        continue;
      }
      this.head = Math.max(this.head, message.seq);
      if (this.#held.size < bound || message.seq === last + 1) this.#held.set(message.seq, message);
    }
  }

  /**
   * Record a head announced by the server; it takes effect only if its broadcast does not arrive in time.
   * @param {number} head
   * @param {number} now
   */
  announceHead(head, now) {
    if (head > Math.max(this.last ?? 0, this.head) && !this.#announced) {
      this.#announced = { seq: head, at: now + POSITION_GRACE_MS };
    }
  }

  /**
   * Apply the announced head once its grace period has passed.
   * @param {number} now
   */
  applyAnnouncedHead(now) {
    if (!this.#announced || this.#announced.at > now) return;
    this.head = Math.max(this.head, this.#announced.seq);
    this.#announced = null;
  }

  /** @returns {number[]} times at which the cursor has to be checked without further input */
  deadlines() {
    if (this.requesting) return [];
    return this.#announced ? [this.notBefore, this.#announced.at] : [this.notBefore];
  }

  /** Return the messages that are next in order and advance the position. */
  release() {
    /** @type {Message[]} */
    const released = [];
    if (!this.joined || this.reloading || this.last === null) return released;
    for (let next = this.#held.get(this.last + 1); next; next = this.#held.get(this.last + 1)) {
      this.#held.delete(next.seq);
      this.last = next.seq;
      released.push(next);
    }
    return released;
  }

  /** Reset everything but the position after a disconnect. */
  disconnected() {
    this.joined = this.requesting = this.reloading = false;
    this.notBefore = 0;
    this.#held.clear();
    this.#announced = null;
    this.head = this.last ?? 0;
  }

  /** @returns {JoinConversation | string} the guide's plain string without a position, the contract's object with one */
  joinPayload() {
    if (this.last === null) return this.conversationId;
    return { conversationId: this.conversationId, afterSeq: this.last, ...(this.epoch && { epoch: this.epoch }) };
  }

  /** @returns {History} the page after the position, or the newest page for a reload */
  historyPayload() {
    if (this.reloading) return { conversationId: this.conversationId };
    return { conversationId: this.conversationId, afterSeq: this.last ?? 0, limit: HISTORY_LIMIT };
  }

  /**
   * Apply the reply to a join (contract: Catching up, client rule).
   * @param {JoinAck} ack
   */
  applyJoin(ack) {
    const hadPosition = this.last !== null;
    this.joined = true;
    this.requesting = false;
    this.attempts = this.#stalls = 0;
    this.epoch = ack.epoch;
    this.headAtJoin = ack.conversation.headSeq;
    if (hadPosition && ack.recovered) {
      this.reloading = false;
      this.accept(ack.messages);
      if (ack.hasMore) this.head = Math.max(this.head, ack.conversation.headSeq);
      return;
    }
    this.reloading = hadPosition;
    this.#restartAt(ack.conversation.headSeq);
  }

  /**
   * Apply a history page; return its messages if it is a reload, which replaces all messages shown before.
   * @param {HistoryAck} ack
   * @returns {Message[] | null}
   */
  applyHistory(ack) {
    this.requesting = false;
    this.attempts = 0;
    if (this.reloading) {
      this.reloading = false;
      this.#restartAt(ack.messages.at(-1)?.seq ?? ack.headSeq);
      return ack.messages;
    }
    this.accept(ack.messages);
    if (this.#held.has((this.last ?? 0) + 1)) {
      this.#stalls = 0;
      return null;
    }
    if (this.#held.size === 0) this.head = Math.max(this.last ?? 0, ack.headSeq);
    this.#stalls = this.behind ? this.#stalls + 1 : 0;
    this.reloading = this.#stalls >= MAX_STALLS;
    return null;
  }

  /**
   * Apply a page received over REST while disconnected; return the new messages in order.
   * @param {HistoryAck} page
   */
  applyRestPage(page) {
    if (this.last === null) {
      this.#restartAt(page.headSeq);
      return [];
    }
    const fresh = page.messages.filter((message) => message.seq > (this.last ?? 0));
    if (fresh.length) this.last = this.head = fresh[fresh.length - 1].seq;
    return fresh;
  }

  /** @param {number} seq */
  #restartAt(seq) {
    this.last = seq;
    this.#stalls = 0;
    for (const held of this.#held.keys()) if (held <= seq) this.#held.delete(held);
    this.head = Math.max(seq, ...this.#held.keys());
  }
}
