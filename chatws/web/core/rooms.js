/** The conversations the user wants to be in, whether or not there is a link: joining, catching up, typing, read marks. */

/** @import {HistoryAck, JoinAck, Message, Refused, TypingIndicator} from "./protocol.js" */
/** @import {Wire} from "./chat.js" */

import { retryDelayMs } from "./backoff.js";
import { MAX_HELD, Room } from "./room.js";
import { OthersTyping } from "./typing.js";

/** @typedef {{resolve: (ack: JoinAck) => void, reject: (reason: Error) => void}} Waiter */

export class Rooms {
  gapsFilled = 0;
  received = 0;
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  /** @type {Map<string, Waiter[]>} */
  #waiters = new Map();
  /** @type {Map<string, {wanted: number, said: number}>} */
  #marks = new Map();
  #othersTyping = new OthersTyping();
  #wire;
  #isOwn;

  /**
   * @param {Wire} wire
   * @param {(clientMessageId: string | undefined) => boolean} isOwn
   */
  constructor(wire, isOwn) {
    this.#wire = wire;
    this.#isOwn = isOwn;
  }

  /** @returns {Room[]} */
  all() {
    return [...this.#rooms.values()];
  }

  /** Messages that came more than once. */
  get duplicates() {
    return this.all().reduce((sum, room) => sum + room.duplicates, 0);
  }

  /**
   * Whether a message may leave: the room is joined, or nobody asked to be in it; `unasked` says what that means.
   * @param {string} conversationId
   * @param {boolean} unasked
   */
  isOpen(conversationId, unasked = true) {
    return this.#rooms.get(conversationId)?.joined ?? unasked;
  }

  /**
   * Join; a conversation joined before keeps its position.
   * @param {string} conversationId
   * @param {number | null} afterSeq
   * @returns {Promise<JoinAck>}
   */
  want(conversationId, afterSeq) {
    const room = this.#rooms.get(conversationId) ?? new Room(conversationId, afterSeq);
    room.joined = false;
    this.#rooms.set(conversationId, room);
    /** @type {Promise<JoinAck>} */
    const joined = new Promise((resolve, reject) => {
      this.#waiters.set(conversationId, [...(this.#waiters.get(conversationId) ?? []), { resolve, reject }]);
    });
    // Whoever does not wait for the join hears of a failure by the `error` event.
    joined.catch(() => {});
    return joined;
  }

  /**
   * The server does not know that we are in: join again; false when nobody wants to be.
   * @param {string} conversationId
   */
  rejoin(conversationId) {
    const room = this.#rooms.get(conversationId);
    if (room) room.joined = false;
    return room !== undefined;
  }

  /**
   * Leave: the position is gone, and whoever waits for the join hears `reason`.
   * @param {string} conversationId
   * @param {Error} reason
   */
  forget(conversationId, reason) {
    this.#rooms.delete(conversationId);
    this.#marks.delete(conversationId);
    this.#show(this.#othersTyping.forget(conversationId));
    this.#settle(conversationId, ({ reject }) => reject(reason));
  }

  /** Nothing will be joined any more. @param {string} why */
  close(why) {
    for (const id of [...this.#waiters.keys()]) this.#settle(id, ({ reject }) => reject(new Error(why)));
  }

  /** The link is gone: positions stay, nobody is seen typing. */
  lost() {
    for (const room of this.all()) room.lost();
    this.#show(this.#othersTyping.forget());
  }

  /** A new link knows nothing of what was read. */
  restartMarks() {
    for (const mark of this.#marks.values()) mark.said = 0;
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   */
  markRead(conversationId, seq) {
    const mark = this.#marks.get(conversationId) ?? { wanted: 0, said: 0 };
    mark.wanted = Math.max(mark.wanted, seq);
    this.#marks.set(conversationId, mark);
  }

  /** @param {Message} message */
  hearMessage(message) {
    const room = this.#rooms.get(message.conversationId);
    if (!room) return;
    room.take([message], MAX_HELD);
    this.deliver(room, room.release());
  }

  /** @param {TypingIndicator} indicator */
  hearTyping(indicator) {
    this.#othersTyping.hear(indicator);
    this.#wire.emit("typing", indicator);
  }

  /** @param {Record<string, number>} positions */
  hearPositions(positions) {
    for (const [id, head] of Object.entries(positions)) this.#rooms.get(id)?.hearPosition(head, this.#wire.now());
  }

  /**
   * Let every request leave whose time has come; each room has one under way.
   * @param {number} now
   */
  pump(now) {
    for (const room of this.all()) {
      room.checkPosition(now);
      if (!room.asking && room.notBefore <= now && (!room.joined || room.behind)) void this.#ask(room);
    }
    for (const [id, mark] of this.#marks) {
      if (mark.said >= mark.wanted || !this.isOpen(id)) continue;
      mark.said = mark.wanted;
      void this.#wire.ask("mark_read", { conversationId: id, seq: mark.wanted });
    }
  }

  /** @returns {number[]} when something becomes due here */
  deadlines() {
    return this.all().flatMap((room) => room.deadlines());
  }

  /**
   * @param {Room} room
   * @param {Message[]} messages
   */
  deliver(room, messages) {
    this.received += messages.length;
    for (const message of messages) {
      const own = this.#isOwn(message.clientMessageId);
      this.#wire.emit("message", message, { own, caughtUp: message.seq <= room.entryHead });
    }
  }

  /** @param {Room} room */
  async #ask(room) {
    const wasJoined = room.joined;
    const link = this.#wire.link();
    room.asking = true;
    room.attempts += 1;
    const payload = wasJoined ? room.historyPayload() : room.joinPayload();
    const reply = await this.#wire.ask(wasJoined ? "history" : "join_conversation", payload);
    if (link !== this.#wire.link() || this.#rooms.get(room.conversationId) !== room) return;
    room.asking = false;
    if (reply?.success) {
      if (wasJoined) this.#caughtUp(room, reply);
      else this.#joined(room, reply);
    } else if (reply) {
      this.#refused(room, reply, wasJoined);
    }
    this.#wire.pump();
  }

  /**
   * @param {Room} room
   * @param {JoinAck} ack
   */
  #joined(room, ack) {
    const again = room.enteredBefore;
    const { conversationId } = room;
    room.enteredBefore = true;
    room.applyJoin(ack);
    this.#wire.emit("joined", ack, { again });
    this.#show(this.#othersTyping.forget(conversationId, ack.typing));
    for (const presence of ack.presence) this.#wire.emit("presence", presence);
    this.#wire.emit("conversation", ack.conversation);
    this.deliver(room, room.release());
    for (const mark of ack.readMarks) this.#wire.emit("read", { conversationId, ...mark });
    this.#settle(conversationId, ({ resolve }) => resolve(ack));
  }

  /**
   * @param {Room} room
   * @param {HistoryAck} ack
   */
  #caughtUp(room, ack) {
    const reloaded = room.applyHistory(ack);
    if (reloaded) this.#wire.emit("reloaded", room.conversationId, reloaded, ack.hasMoreBefore);
    const messages = room.release();
    if (messages.length) this.gapsFilled += 1;
    this.deliver(room, messages);
  }

  /**
   * @param {Room} room
   * @param {Refused} reply
   * @param {boolean} wasJoined
   */
  #refused(room, { error }, wasJoined) {
    const mustRejoin = wasJoined && error.code === "not_joined";
    if (error.retryable || mustRejoin) {
      room.joined = wasJoined && !mustRejoin;
      room.notBefore = this.#wire.now() + retryDelayMs(room.attempts, error.retryAfterMs);
      return;
    }
    this.forget(room.conversationId, new Error(error.message));
    this.#wire.emit("error", { message: error.message, code: error.code, event: "join_conversation" });
  }

  /** @param {TypingIndicator[]} indicators */
  #show(indicators) {
    for (const indicator of indicators) this.#wire.emit("typing", indicator);
  }

  /**
   * @param {string} conversationId
   * @param {(waiter: Waiter) => void} settle
   */
  #settle(conversationId, settle) {
    const waiters = this.#waiters.get(conversationId) ?? [];
    this.#waiters.delete(conversationId);
    waiters.forEach(settle);
  }
}
