/** Sending of the user's own messages: retries, acknowledgements and recognition of their broadcasts. */

/** @import {Refused, SendAck} from "./protocol.js" */
/** @import {OutboxEntry} from "./outbox.js" */
/** @import {ClientContext, SendResult} from "./chat-client.js" */

import { retryDelayMs } from "./backoff.js";
import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";

const OUTBOX_LIMIT = 1_000;
/** Number of clientMessageIds remembered to recognise the broadcasts of this tab's own messages. */
const MAX_OWN_IDS = 10_000;

export class MessageSender {
  counters = { sent: 0, delivered: 0, failed: 0, viaRest: 0 };
  /** @type {number | null} */
  lastAckMs = null;
  /** @type {Set<string>} */
  #ownIds = new Set();
  #context;
  #rejoin;

  /**
   * @param {ClientContext} context
   * @param {(conversationId: string) => boolean} rejoin called on `not_joined`; false if no join was requested
   * @param {Storage | null} storage
   * @param {string} storageKey
   */
  constructor(context, rejoin, storage, storageKey) {
    this.#context = context;
    this.#rejoin = rejoin;
    this.outbox = new Outbox(OUTBOX_LIMIT, storage, storageKey);
    for (const entry of this.outbox.entries()) this.#addOwnId(entry.clientMessageId);
  }

  /**
   * @param {string} conversationId
   * @param {string} content
   * @param {((result: SendResult) => void) | null} done
   * @param {string} [clientMessageId]
   * @returns {string} the clientMessageId
   * @throws {import("./outbox.js").OutboxFull}
   */
  enqueue(conversationId, content, done, clientMessageId = newId()) {
    this.outbox.add({ conversationId, content, clientMessageId, attempts: 0, done, restored: false });
    this.#addOwnId(clientMessageId);
    this.counters.sent += 1;
    this.#context.emit("queued", { conversationId, content, clientMessageId });
    return clientMessageId;
  }

  /**
   * Whether this tab sent the message.
   * @param {string | undefined} clientMessageId
   */
  isOwn(clientMessageId) {
    return clientMessageId !== undefined && this.#ownIds.has(clientMessageId);
  }

  /**
   * Send all messages that are due.
   * @param {number} now
   * @param {(first: OutboxEntry) => boolean} canSend
   */
  sendDue(now, canSend) {
    for (const entry of this.outbox.takeReady(now, canSend)) void this.#send(entry);
  }

  /**
   * Apply the reply to a message, received over the socket or REST.
   * @param {OutboxEntry} entry
   * @param {SendAck | Refused} reply
   * @param {boolean} viaRest
   */
  applyReply(entry, reply, viaRest) {
    if (!reply.success && this.#isRetryable(entry, reply, viaRest)) {
      if (reply.error.code === "token_expired") this.#context.renewToken();
      this.outbox.postpone(entry, this.#context.now() + retryDelayMs(entry.attempts, reply.error.retryAfterMs));
    } else if (this.outbox.settle(entry)) {
      this.counters[reply.success ? "delivered" : "failed"] += 1;
      if (viaRest && reply.success) this.counters.viaRest += 1;
      const result = { ...reply, clientMessageId: entry.clientMessageId };
      this.#context.emit("settled", result, entry.conversationId);
      entry.done?.(result);
    }
    this.#context.sendDue();
  }

  /**
   * Send a message again under the same id after its reply timed out: whether it was stored is unknown.
   * @param {OutboxEntry} entry
   */
  retry(entry) {
    this.outbox.postpone(entry, 0);
    this.#context.sendDue();
  }

  /**
   * Fail all queued messages because nothing can be sent any more.
   * @param {import("./protocol.js").Failed} failed
   */
  failAll({ message, code }) {
    for (const { conversationId, clientMessageId, done } of this.outbox.clear()) {
      this.counters.failed += 1;
      /** @type {SendResult} */
      const result = { success: false, error: { message, code, retryable: false }, clientMessageId };
      this.#context.emit("settled", result, conversationId);
      done?.(result);
    }
  }

  /** @param {OutboxEntry} entry */
  async #send(entry) {
    const { conversationId, content, clientMessageId } = entry;
    const sentAt = this.#context.now();
    const connectionNumber = this.#context.connectionNumber();
    const reply = await this.#context.request("send_message", { conversationId, content, clientMessageId });
    if (reply) {
      this.lastAckMs = this.#context.now() - sentAt;
      this.applyReply(entry, reply, false);
    } else if (connectionNumber === this.#context.connectionNumber()) {
      this.retry(entry);
    }
  }

  /**
   * @param {OutboxEntry} entry
   * @param {Refused} reply
   * @param {boolean} viaRest
   */
  #isRetryable(entry, { error }, viaRest) {
    return error.retryable || (error.code === "not_joined" && !viaRest && this.#rejoin(entry.conversationId));
  }

  /** @param {string} clientMessageId */
  #addOwnId(clientMessageId) {
    this.#ownIds.add(clientMessageId);
    const [oldest] = this.#ownIds;
    if (this.#ownIds.size > MAX_OWN_IDS) this.#ownIds.delete(oldest);
  }
}
