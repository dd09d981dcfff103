/** One joined conversation: where its reader stands, what is held back, and what has to be asked for. */

/** @import {History, HistoryAck, JoinAck, JoinConversation, Message} from "./protocol.js" */

/** Messages held back behind a gap; later ones are dropped here and fetched again. */
export const MAX_HELD = 1_000;

/** How long a head named by `positions` may outrun its own broadcast. */
const POSITION_GRACE_MS = 1_000;

/** Fetches without progress before the conversation is loaded anew. */
const MAX_STALLS = 2;

const HISTORY_LIMIT = 100;

/**
 * The cursor of one conversation.
 *
 * Promise: `release` gives every `seq` after the position exactly once and in order, whatever arrives, as long as the
 * position is valid; when it is not, `reloading` is set and the next history page starts a new one.
 */
export class Room {
  /** Last seq released; null until the first join without a position. @type {number | null} */
  last;
  /** Highest seq known to exist. */
  head;
  /** @type {string | undefined} */
  epoch;
  joined = false;
  /** A join or a history request is under way. */
  asking = false;
  reloading = false;
  enteredBefore = false;
  notBefore = 0;
  attempts = 0;
  duplicates = 0;
  /** The conversation's head when the room was entered: what is not newer was missed. */
  entryHead = 0;
  /** @type {{seq: number, at: number} | null} */
  #claim = null;
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

  /** Whether history has to be asked for. */
  get behind() {
    return this.joined && (this.reloading || this.head > (this.last ?? 0));
  }

  /**
   * Accept messages in any order; those beyond `bound` held ones are left to a later history page.
   * @param {Message[]} messages
   * @param {number} [bound]
   */
  take(messages, bound = Infinity) {
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
   * Note what the server says the head is; believed only when its broadcast stays away.
   * @param {number} head
   * @param {number} now
   */
  hearPosition(head, now) {
    if (head > Math.max(this.last ?? 0, this.head) && !this.#claim) {
      this.#claim = { seq: head, at: now + POSITION_GRACE_MS };
    }
  }

  /**
   * Believe a noted head whose time has come.
   * @param {number} now
   */
  checkPosition(now) {
    if (!this.#claim || this.#claim.at > now) return;
    this.head = Math.max(this.head, this.#claim.seq);
    this.#claim = null;
  }

  /** @returns {number[]} when something is to be done here without any input */
  deadlines() {
    if (this.asking) return [];
    return this.#claim ? [this.notBefore, this.#claim.at] : [this.notBefore];
  }

  /** Give what is next in order and move the position. */
  release() {
    /** @type {Message[]} */
    const due = [];
    if (!this.joined || this.reloading || this.last === null) return due;
    for (let next = this.#held.get(this.last + 1); next; next = this.#held.get(this.last + 1)) {
      this.#held.delete(next.seq);
      this.last = next.seq;
      due.push(next);
    }
    return due;
  }

  /** The link is gone: only the position is kept. */
  lost() {
    this.joined = this.asking = this.reloading = false;
    this.notBefore = 0;
    this.#held.clear();
    this.#claim = null;
    this.head = this.last ?? 0;
  }

  /** @returns {JoinConversation | string} the guide's plain string without a position, the contract's object with one */
  joinPayload() {
    if (this.last === null) return this.conversationId;
    return { conversationId: this.conversationId, afterSeq: this.last, ...(this.epoch && { epoch: this.epoch }) };
  }

  /** @returns {History} the page after the position, or the newest one for a reload */
  historyPayload() {
    if (this.reloading) return { conversationId: this.conversationId };
    return { conversationId: this.conversationId, afterSeq: this.last ?? 0, limit: HISTORY_LIMIT };
  }

  /**
   * Take the join's answer (contract: Catching up, client rule).
   * @param {JoinAck} ack
   */
  applyJoin(ack) {
    const hadPosition = this.last !== null;
    this.joined = true;
    this.asking = false;
    this.attempts = this.#stalls = 0;
    this.epoch = ack.epoch;
    this.entryHead = ack.conversation.headSeq;
    if (hadPosition && ack.recovered) {
      this.reloading = false;
      this.take(ack.messages);
      if (ack.hasMore) this.head = Math.max(this.head, ack.conversation.headSeq);
      return;
    }
    this.reloading = hadPosition;
    this.#restartAt(ack.conversation.headSeq);
  }

  /**
   * Take a page; messages come back when they are a reload, which replaces all the reader had.
   * @param {HistoryAck} ack
   * @returns {Message[] | null}
   */
  applyHistory(ack) {
    this.asking = false;
    this.attempts = 0;
    if (this.reloading) {
      this.reloading = false;
      this.#restartAt(ack.messages.at(-1)?.seq ?? ack.headSeq);
      return ack.messages;
    }
    this.take(ack.messages);
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
   * Take a page that came over REST while there is no link; gives what is new, in order.
   * @param {HistoryAck} page
   */
  applyRest(page) {
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
