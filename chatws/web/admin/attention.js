/** Unread messages and waiting customers of the conversations, from the server's read marks and later events. */

/** @import {Conversation, InboxEntry} from "../core/protocol.js" */

/** @typedef {{unread: number, waitingSince?: string, notice?: string}} Attention */

/** @type {Attention} */
const NONE = { unread: 0 };

export class AttentionList {
  /** @type {Map<string, Attention>} */
  #entries = new Map();
  #userId;

  /** @param {string} userId the agent */
  constructor(userId) {
    this.#userId = userId;
  }

  /** @param {string} conversationId */
  of(conversationId) {
    return this.#entries.get(conversationId) ?? NONE;
  }

  /**
   * Replace the entries of listed conversations by those of the server.
   * @param {Conversation[]} conversations
   * @param {InboxEntry[]} entries
   */
  load(conversations, entries) {
    for (const { conversationId } of conversations) this.#set(conversationId, { unread: 0, waitingSince: undefined });
    for (const { conversationId, unread, waitingSince } of entries) this.#set(conversationId, { unread, waitingSince });
  }

  /**
   * Count the messages that a changed conversation has more than before.
   * @param {Conversation} conversation
   * @param {number} headBefore
   */
  update({ conversationId, headSeq, lastMessage }, headBefore) {
    if (!lastMessage || headSeq <= headBefore) return;
    const { unread, waitingSince } = this.of(conversationId);
    const { userId, role } = lastMessage.sender;
    this.#set(conversationId, {
      // Whoever replies has read the messages before.
      unread: userId === this.#userId ? 0 : unread + headSeq - headBefore,
      waitingSince: role === "customer" ? (waitingSince ?? lastMessage.timestamp) : undefined,
    });
  }

  /**
   * Apply the agent's read mark, set here or in another window.
   * @param {string} conversationId
   * @param {number} unreadAfter number of messages after the mark
   */
  read(conversationId, unreadAfter) {
    this.#set(conversationId, { unread: Math.min(this.of(conversationId).unread, Math.max(0, unreadAfter)) });
  }

  /**
   * Show a notice about the bot; an empty one removes it.
   * @param {string} conversationId
   * @param {string} notice
   */
  setNotice(conversationId, notice) {
    this.#set(conversationId, { notice: notice || undefined });
  }

  /**
   * @param {string} conversationId
   * @param {Partial<Attention>} changes
   */
  #set(conversationId, changes) {
    this.#entries.set(conversationId, { ...this.of(conversationId), ...changes });
  }
}
