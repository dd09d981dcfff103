/** Unread messages and waiting customers of the conversations, from the server's read marks and later events. */

/** @import {Conversation, InboxEntry} from "../core/protocol.js" */

/** @typedef {{unread: number, readSeq: number, waitingSince?: string, notice?: string}} Attention */

/** @type {Attention} */
const NONE = { unread: 0, readSeq: 0 };

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
    const heads = new Map(conversations.map(({ conversationId, headSeq }) => [conversationId, headSeq]));
    for (const { conversationId, unread, waitingSince } of entries) {
      const afterMark = (heads.get(conversationId) ?? 0) - this.of(conversationId).readSeq;
      this.#set(conversationId, { unread: Math.min(unread, Math.max(0, afterMark)), waitingSince });
    }
  }

  /**
   * Count the messages that a changed conversation has more than before.
   * @param {Conversation} conversation
   * @param {number} headBefore
   */
  update({ conversationId, headSeq, lastMessage }, headBefore) {
    if (!lastMessage || headSeq <= headBefore) return;
    const { unread, readSeq, waitingSince } = this.of(conversationId);
    const { userId, role } = lastMessage.sender;
    this.#set(conversationId, {
      // An agent who replies has read the messages before. A read mark may precede this update.
      unread: userId === this.#userId ? 0 : Math.min(unread + headSeq - headBefore, Math.max(0, headSeq - readSeq)),
      waitingSince: role === "customer" ? (waitingSince ?? lastMessage.timestamp) : undefined,
    });
  }

  /**
   * Apply the agent's read mark, set here or in another window.
   * @param {string} conversationId
   * @param {number} seq
   * @param {number} headSeq
   */
  read(conversationId, seq, headSeq) {
    const { unread, readSeq } = this.of(conversationId);
    this.#set(conversationId, { unread: Math.min(unread, Math.max(0, headSeq - seq)), readSeq: Math.max(readSeq, seq) });
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
