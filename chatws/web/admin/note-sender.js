/** Sending of an agent's notes: each is repeated under the same id until the server has stored or finally refused it. */

/** @import {Note, NoteAck, Refused} from "../core/protocol.js" */
/** @import {OutboxEntry} from "../core/outbox.js" */

import { retryDelayMs } from "../core/backoff.js";
import { newId } from "../core/ids.js";
import { Outbox } from "../core/outbox.js";
import { tabStorage } from "../core/tab-storage.js";
import adminWebSocket from "./src/services/websocket-client.js";

const MAX_NOTES = 100;
/** Delay after a lost ack, if the connection has survived it. */
const LOST_ACK_MS = 1_000;

/**
 * @typedef {object} NoteCallbacks
 * @property {(note: Note) => void} onStored
 * @property {(conversationId: string, content: string, noteId: string, problem: string) => void} onRefused
 */

/** The notes are kept when the page is reloaded, like messages. */
export class NoteSender {
  #outbox;
  #callbacks;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} userId the agent: another agent in this tab must not send the notes
   * @param {NoteCallbacks} callbacks
   */
  constructor(userId, callbacks) {
    this.#outbox = new Outbox(MAX_NOTES, tabStorage(), `chatws.notes.${userId}`);
    this.#callbacks = callbacks;
    adminWebSocket.onConnectionChange((state) => {
      if (state !== "connected") return;
      this.#outbox.resetInFlight();
      this.#sendDue();
    });
  }

  /** Notes of a conversation without an ack. @param {string} conversationId */
  pending(conversationId) {
    return this.#outbox.entries().filter((entry) => entry.conversationId === conversationId);
  }

  /**
   * @param {string} conversationId
   * @param {string} content
   * @throws {import("../core/outbox.js").OutboxFull}
   */
  send(conversationId, content) {
    const entry = { conversationId, content, clientMessageId: newId(), attempts: 0, done: null, restored: false };
    this.#outbox.add(entry);
    this.#sendDue();
  }

  #sendDue() {
    if (adminWebSocket.chat.state !== "connected") return;
    const now = performance.now();
    for (const entry of this.#outbox.takeReady(now, () => true)) void this.#request(entry);
    clearTimeout(this.#timer);
    const later = this.#outbox.deadlines().filter((time) => time > now);
    if (later.length) this.#timer = setTimeout(() => this.#sendDue(), Math.min(...later) - now);
  }

  /** @param {OutboxEntry} entry */
  async #request(entry) {
    const { conversationId, content, clientMessageId: noteId, attempts } = entry;
    /** @type {NoteAck | Refused | null} */
    const reply = await adminWebSocket.chat.call("add_note", { conversationId, content, noteId });
    if (!reply) {
      // The note may be stored. After a reconnect, it has been sent again already.
      if (attempts === entry.attempts) this.#outbox.postpone(entry, performance.now() + LOST_ACK_MS);
    } else if (!reply.success && reply.error.retryable) {
      this.#outbox.postpone(entry, performance.now() + retryDelayMs(attempts, reply.error.retryAfterMs));
    } else if (this.#outbox.settle(entry)) {
      if (reply.success) this.#callbacks.onStored(reply.note);
      else this.#callbacks.onRefused(conversationId, content, noteId, reply.error.message);
    }
    this.#sendDue();
  }
}
