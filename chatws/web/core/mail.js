/** Own messages on their way: the outbox, and what each answer means for the message it belongs to. */

/** @import {Refused, SendAck} from "./protocol.js" */
/** @import {Entry} from "./outbox.js" */
/** @import {SendResult, Wire} from "./chat.js" */

import { retryDelayMs } from "./backoff.js";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";

const OUTBOX_LIMIT = 1_000;
/** clientMessageIds of this tab by which it knows its own echo. */
const OWN_IDS_KEPT = 10_000;

export class Mail {
  tally = { sent: 0, delivered: 0, failed: 0, viaRest: 0 };
  /** @type {number | null} */
  lastAckMs = null;
  /** @type {Set<string>} */
  #ownIds = new Set();
  #wire;
  #rejoin;

  /**
   * @param {Wire} wire
   * @param {(conversationId: string) => boolean} rejoin the server does not know that we are in; false if we need not be
   * @param {Storage | null} storage
   * @param {string} storageKey
   */
  constructor(wire, rejoin, storage, storageKey) {
    this.#wire = wire;
    this.#rejoin = rejoin;
    this.outbox = new Outbox(OUTBOX_LIMIT, storage, storageKey);
    for (const entry of this.outbox.entries()) this.#noteOwn(entry.clientMessageId);
  }

  /**
   * @param {string} conversationId
   * @param {string} content
   * @param {((result: SendResult) => void) | null} done
   * @returns {string} the message's clientMessageId
   * @throws {import("./outbox.js").OutboxFull}
   */
  queue(conversationId, content, done) {
    const clientMessageId = newId();
    this.outbox.add({ conversationId, content, clientMessageId, attempts: 0, done, restored: false });
    this.#noteOwn(clientMessageId);
    this.tally.sent += 1;
    this.#wire.emit("queued", { conversationId, content, clientMessageId });
    return clientMessageId;
  }

  /**
   * Whether this tab sent it.
   * @param {string | undefined} clientMessageId
   */
  isOwn(clientMessageId) {
    return clientMessageId !== undefined && this.#ownIds.has(clientMessageId);
  }

  /**
   * Let every message leave whose turn it is.
   * @param {number} now
   * @param {(head: Entry) => boolean} isOpen
   */
  pump(now, isOpen) {
    for (const entry of this.outbox.takeReady(now, isOpen)) void this.#post(entry);
  }

  /**
   * Apply an answer, whichever way it came.
   * @param {Entry} entry
   * @param {SendAck | Refused} reply
   * @param {boolean} viaRest
   */
  answered(entry, reply, viaRest) {
    if (!reply.success && this.#mayRepeat(entry, reply, viaRest)) {
      if (reply.error.code === "token_expired") this.#wire.renew();
      this.outbox.postpone(entry, this.#wire.now() + retryDelayMs(entry.attempts, reply.error.retryAfterMs));
    } else if (this.outbox.settle(entry)) {
      this.tally[reply.success ? "delivered" : "failed"] += 1;
      if (viaRest && reply.success) this.tally.viaRest += 1;
      const result = { ...reply, clientMessageId: entry.clientMessageId };
      this.#wire.emit("settled", result, entry.conversationId);
      entry.done?.(result);
    }
    this.#wire.pump();
  }

  /**
   * No answer came: the outcome is unknown, so it leaves again under the same id.
   * @param {Entry} entry
   */
  unanswered(entry) {
    this.outbox.postpone(entry, 0);
    this.#wire.pump();
  }

  /**
   * Nothing will be sent any more: whoever waits for an answer hears that.
   * @param {import("./protocol.js").Failed} failed
   */
  fail({ message, code }) {
    for (const { conversationId, clientMessageId, done } of this.outbox.clear()) {
      this.tally.failed += 1;
      /** @type {SendResult} */
      const result = { success: false, error: { message, code, retryable: false }, clientMessageId };
      this.#wire.emit("settled", result, conversationId);
      done?.(result);
    }
  }

  /** @param {Entry} entry */
  async #post(entry) {
    const { conversationId, content, clientMessageId } = entry;
    const leftAt = this.#wire.now();
    const link = this.#wire.link();
    const reply = await this.#wire.ask("send_message", { conversationId, content, clientMessageId });
    if (reply) {
      this.lastAckMs = this.#wire.now() - leftAt;
      this.answered(entry, reply, false);
    } else if (link === this.#wire.link()) {
      this.unanswered(entry);
    }
  }

  /**
   * @param {Entry} entry
   * @param {Refused} reply
   * @param {boolean} viaRest
   */
  #mayRepeat(entry, { error }, viaRest) {
    return error.retryable || (error.code === "not_joined" && !viaRest && this.#rejoin(entry.conversationId));
  }

  /** @param {string} clientMessageId */
  #noteOwn(clientMessageId) {
    this.#ownIds.add(clientMessageId);
    const [oldest] = this.#ownIds;
    if (this.#ownIds.size > OWN_IDS_KEPT) this.#ownIds.delete(oldest);
  }
}
