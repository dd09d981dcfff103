/** Typing indicators of other users that the page currently shows. */

/** @import {TypingIndicator} from "./protocol.js" */

export class PeerTyping {
  /** @type {Map<string, TypingIndicator>} */
  #shown = new Map();

  /** @param {TypingIndicator} indicator */
  update(indicator) {
    const key = `${indicator.conversationId} ${indicator.userId}`;
    if (indicator.isTyping) this.#shown.set(key, indicator);
    else this.#shown.delete(key);
  }

  /**
   * Clear the indicators of one conversation, or of all, and return them with `isTyping` false.
   * @param {string} [conversationId]
   * @param {string[]} [except] users who are still typing
   * @returns {TypingIndicator[]}
   */
  clear(conversationId, except = []) {
    const cleared = [...this.#shown].filter(
      ([, shown]) => (!conversationId || shown.conversationId === conversationId) && !except.includes(shown.userId),
    );
    for (const [key] of cleared) this.#shown.delete(key);
    return cleared.map(([, shown]) => ({ ...shown, isTyping: false }));
  }
}
