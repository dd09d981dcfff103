/** Messages that have no answer yet: one lane per conversation, at most one message of a lane under way. */

/**
 * @typedef {object} Entry
 * @property {string} conversationId
 * @property {string} content
 * @property {string} clientMessageId kept however often the message is repeated
 * @property {number} attempts
 * @property {((ack: import("./chat.js").SendResult) => void) | null} done
 * @property {boolean} restored written before the page was loaded again
 *
 * @typedef {{entries: Entry[], underWay: boolean, notBefore: number}} Lane
 */

/** The outbox is full: `limit` messages wait already. */
export class OutboxFull extends Error {
  /** @param {number} limit */
  constructor(limit) {
    super(`${limit} messages are waiting already`);
    this.name = "OutboxFull";
    this.limit = limit;
  }
}

/** A bounded queue whose order holds per conversation: nothing overtakes a message that has no answer yet. */
export class Outbox {
  /** @type {Map<string, Lane>} */
  #lanes = new Map();
  #limit;
  #storage;
  #key;

  /**
   * @param {number} limit
   * @param {Storage | null} storage keeps the messages over a reload of the page
   * @param {string} key
   */
  constructor(limit, storage = null, key = "") {
    this.#limit = limit;
    this.#storage = storage;
    this.#key = key;
    for (const [conversationId, content, clientMessageId] of this.#restored()) {
      this.#lane(conversationId).entries.push({ conversationId, content, clientMessageId, attempts: 0, done: null, restored: true });
    }
  }

  get size() {
    return this.entries().length;
  }

  /** @returns {Entry[]} everything, each conversation's in order */
  entries() {
    return [...this.#lanes.values()].flatMap((lane) => lane.entries);
  }

  /**
   * Put a message at the end of its lane.
   * @param {Entry} entry
   * @throws {OutboxFull}
   */
  add(entry) {
    if (this.size >= this.#limit) throw new OutboxFull(this.#limit);
    this.#lane(entry.conversationId).entries.push(entry);
    this.#keep();
  }

  /**
   * Take the head of every lane that may send now; each counts as under way until settled or postponed.
   * @param {number} now
   * @param {(head: Entry) => boolean} isOpen
   */
  takeReady(now, isOpen) {
    const ready = [];
    for (const lane of this.#lanes.values()) {
      if (lane.underWay || lane.notBefore > now || !isOpen(lane.entries[0])) continue;
      lane.underWay = true;
      lane.entries[0].attempts += 1;
      ready.push(lane.entries[0]);
    }
    return ready;
  }

  /**
   * Remove a lane's head after success or final refusal; false when it was no longer there.
   * @param {Entry} entry
   */
  settle(entry) {
    const lane = this.#lanes.get(entry.conversationId);
    if (!lane || lane.entries[0] !== entry) return false;
    lane.entries.shift();
    lane.underWay = false;
    lane.notBefore = 0;
    if (lane.entries.length === 0) this.#lanes.delete(entry.conversationId);
    this.#keep();
    return true;
  }

  /**
   * Let a lane's head leave again, not before `until`.
   * @param {Entry} entry
   * @param {number} until
   */
  postpone(entry, until) {
    const lane = this.#lanes.get(entry.conversationId);
    if (!lane || lane.entries[0] !== entry) return;
    lane.underWay = false;
    lane.notBefore = until;
  }

  /** The link is gone: what was under way will leave again, at once. */
  rewind() {
    for (const lane of this.#lanes.values()) {
      lane.underWay = false;
      lane.notBefore = 0;
    }
  }

  /** Remove and return everything. */
  clear() {
    const entries = this.entries();
    this.#lanes.clear();
    this.#keep();
    return entries;
  }

  /** @returns {number[]} when postponed messages may leave */
  deadlines() {
    return [...this.#lanes.values()].filter((lane) => !lane.underWay).map((lane) => lane.notBefore);
  }

  /** @param {string} conversationId */
  #lane(conversationId) {
    const lane = this.#lanes.get(conversationId) ?? { entries: [], underWay: false, notBefore: 0 };
    this.#lanes.set(conversationId, lane);
    return lane;
  }

  /** @returns {Array<[string, string, string]>} */
  #restored() {
    try {
      return JSON.parse(this.#storage?.getItem(this.#key) ?? "[]");
    } catch {
      return [];
    }
  }

  #keep() {
    if (!this.#storage) return;
    const rows = this.entries().map((entry) => [entry.conversationId, entry.content, entry.clientMessageId]);
    try {
      if (rows.length) this.#storage.setItem(this.#key, JSON.stringify(rows));
      else this.#storage.removeItem(this.#key);
    } catch {
      // Storage is full or forbidden: the messages live as long as the page.
    }
  }
}
