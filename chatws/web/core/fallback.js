/** Sends and receives over REST while no socket can be had (guide, FAQ: What happens if WebSocket fails?). */

/** @import {HistoryAck, Message, Refused, SendAck} from "./protocol.js" */
/** @import {Entry} from "./outbox.js" */
/** @import {Room} from "./room.js" */

import { Unreachable } from "./rest.js";

/** Failed attempts in a row after which REST is tried. */
const AFTER_ATTEMPTS = 3;
const POLL_MS = 3_000;
const PAGE = 100;

/**
 * What the fallback needs of the client.
 * @typedef {object} Host
 * @property {import("./rest.js").Rest} rest
 * @property {() => Room[]} rooms
 * @property {() => Entry[]} takeReady
 * @property {(entry: Entry, reply: SendAck | Refused) => void} answered
 * @property {(entry: Entry) => void} unanswered
 * @property {(room: Room, messages: Message[]) => void} deliver
 * @property {(active: boolean) => void} change
 */

export class Fallback {
  /** REST works while the socket does not. */
  active = false;
  #host;
  #running = false;
  #busy = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * Begin after so many failed attempts to connect.
   * @param {number} attempts
   */
  consider(attempts) {
    if (this.#running || attempts < AFTER_ATTEMPTS) return;
    this.#running = true;
    void this.#turn();
  }

  /** There is a socket again, or nobody wants one. */
  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#show(false);
  }

  /** Something waits to be sent. */
  hurry() {
    if (this.active) void this.#turn();
  }

  async #turn() {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    try {
      await this.#send();
      await this.#receive();
      this.#show(this.#running);
    } catch (failure) {
      if (!(failure instanceof Unreachable)) throw failure;
      this.#show(false);
    } finally {
      this.#busy = false;
      if (this.#running) this.#timer = setTimeout(() => void this.#turn(), POLL_MS);
    }
  }

  /** Send what waits, each conversation's messages one after the other. */
  async #send() {
    while (this.#running) {
      const ready = this.#host.takeReady();
      if (ready.length === 0) return;
      await Promise.all(ready.map((entry) => this.#post(entry)));
    }
  }

  /** @param {Entry} entry */
  async #post(entry) {
    const { conversationId, content, clientMessageId } = entry;
    try {
      const path = `/api/conversations/${conversationId}/messages`;
      this.#host.answered(entry, await this.#host.rest.post(path, { content, clientMessageId }));
    } catch (failure) {
      this.#host.unanswered(entry);
      throw failure;
    }
  }

  async #receive() {
    for (const room of this.#host.rooms()) {
      for (let more = true; more && this.#running; ) {
        const query = room.last === null ? { limit: 1 } : { afterSeq: room.last, limit: PAGE };
        const path = `/api/conversations/${room.conversationId}/messages`;
        /** @type {HistoryAck | Refused} */
        const page = await this.#host.rest.get(path, query);
        if (!page.success || !this.#running) break;
        more = room.last !== null && page.hasMoreAfter;
        this.#host.deliver(room, room.applyRest(page));
      }
    }
  }

  /** @param {boolean} active */
  #show(active) {
    if (this.active === active) return;
    this.active = active;
    this.#host.change(active);
  }
}
