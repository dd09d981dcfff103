/** Queue of unacknowledged messages: one queue per conversation, with at most one message of each in flight. */

/**
 * @typedef {object} OutboxEntry
 * @property {string} conversationId
 * @property {string} content
 * @property {string} clientMessageId the same on every retry
 * @property {number} attempts
 * @property {((ack: import("./chat-client.js").SendResult) => void) | null} done
 * @property {boolean} restored loaded from the storage, written before the page was reloaded
 *
 * @typedef {{entries: OutboxEntry[], inFlight: boolean, notBefore: number}} ConversationQueue
 */

/** The outbox already holds `limit` messages. */
export class OutboxFull extends Error {
  /** @param {number} limit */
  constructor(limit) {
    super(`the outbox is full: ${limit} messages are waiting`);
    this.name = "OutboxFull";
    this.limit = limit;
  }
}

/** Bounded queue that keeps the order within a conversation: a message is not sent before its predecessor is settled. */
export class Outbox {
  /** @type {Map<string, ConversationQueue>} */
  #queues = new Map();
  #limit;
  #storage;
  #key;

  /**
   * @param {number} limit
   * @param {Storage | null} storage keeps the messages when the page is reloaded
   * @param {string} key
   */
  constructor(limit, storage = null, key = "") {
    this.#limit = limit;
    this.#storage = storage;
    this.#key = key;
    for (const [conversationId, content, clientMessageId] of this.#load()) {
      this.#queue(conversationId).entries.push({ conversationId, content, clientMessageId, attempts: 0, done: null, restored: true });
    }
  }

  get size() {
    return this.entries().length;
  }

  /** @returns {OutboxEntry[]} all messages; those of a conversation in the order of sending */
  entries() {
    return [...this.#queues.values()].flatMap((queue) => queue.entries);
  }

  /**
   * Append a message to the queue of its conversation.
   * @param {OutboxEntry} entry
   * @throws {OutboxFull}
   */
  add(entry) {
    if (this.size >= this.#limit) throw new OutboxFull(this.#limit);
    this.#queue(entry.conversationId).entries.push(entry);
    this.#save();
  }

  /**
   * Return the first message of every queue that can send now; each is in flight until settled or postponed.
   * @param {number} now
   * @param {(first: OutboxEntry) => boolean} canSend
   */
  takeReady(now, canSend) {
    const ready = [];
    for (const queue of this.#queues.values()) {
      if (queue.inFlight || queue.notBefore > now || !canSend(queue.entries[0])) continue;
      queue.inFlight = true;
      queue.entries[0].attempts += 1;
      ready.push(queue.entries[0]);
    }
    return ready;
  }

  /**
   * Remove the first message of a queue after success or final refusal; return false if it was removed before.
   * @param {OutboxEntry} entry
   */
  settle(entry) {
    const queue = this.#queues.get(entry.conversationId);
    if (!queue || queue.entries[0] !== entry) return false;
    queue.entries.shift();
    queue.inFlight = false;
    queue.notBefore = 0;
    if (queue.entries.length === 0) this.#queues.delete(entry.conversationId);
    this.#save();
    return true;
  }

  /**
   * Schedule a retry of the first message of a queue, not before `until`.
   * @param {OutboxEntry} entry
   * @param {number} until
   */
  postpone(entry, until) {
    const queue = this.#queues.get(entry.conversationId);
    if (!queue || queue.entries[0] !== entry) return;
    queue.inFlight = false;
    queue.notBefore = until;
  }

  /** Make all messages ready to send again after a disconnect, those in flight included. */
  resetInFlight() {
    for (const queue of this.#queues.values()) {
      queue.inFlight = false;
      queue.notBefore = 0;
    }
  }

  /** Remove and return all messages. */
  clear() {
    const entries = this.entries();
    this.#queues.clear();
    this.#save();
    return entries;
  }

  /** @returns {number[]} times at which postponed messages become ready */
  deadlines() {
    return [...this.#queues.values()].filter((queue) => !queue.inFlight).map((queue) => queue.notBefore);
  }

  /** @param {string} conversationId */
  #queue(conversationId) {
    const queue = this.#queues.get(conversationId) ?? { entries: [], inFlight: false, notBefore: 0 };
    this.#queues.set(conversationId, queue);
    return queue;
  }

  /** @returns {Array<[string, string, string]>} */
  #load() {
    try {
      return JSON.parse(this.#storage?.getItem(this.#key) ?? "[]");
    } catch {
      return [];
    }
  }

  #save() {
    if (!this.#storage) return;
    const rows = this.entries().map((entry) => [entry.conversationId, entry.content, entry.clientMessageId]);
    try {
      if (rows.length) this.#storage.setItem(this.#key, JSON.stringify(rows));
      else this.#storage.removeItem(this.#key);
    } catch {
      // Storage is full or forbidden: the messages are kept in memory only.
    }
  }
}
