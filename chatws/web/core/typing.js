/** Who types: ourselves, told no more often than needed, and others, as long as the server says so. */

/** @import {TypingIndicator} from "./protocol.js" */

/** Repeated this often while keys are pressed, until the server names its own interval. */
const RESEND_MS = 2_000;

/** The user's own typing: its last state is never lost. */
export class OwnTyping {
  resendMs = RESEND_MS;
  /** @type {Map<string, number>} */
  #saidAt = new Map();

  /**
   * Note a key stroke; true when it is time to tell the server.
   * @param {string} conversationId
   * @param {number} now
   */
  start(conversationId, now) {
    const saidAt = this.#saidAt.get(conversationId);
    if (saidAt !== undefined && now < saidAt + this.resendMs) return false;
    this.#saidAt.set(conversationId, now);
    return true;
  }

  /**
   * Note that typing ended; true when the server believes otherwise.
   * @param {string} conversationId
   */
  stop(conversationId) {
    return this.#saidAt.delete(conversationId);
  }

  /** The link is gone, and typing with it. */
  forget() {
    this.#saidAt.clear();
  }
}

/** Everybody else's typing. */
export class OthersTyping {
  /** @type {Map<string, TypingIndicator>} */
  #shown = new Map();

  /** @param {TypingIndicator} indicator */
  hear(indicator) {
    const key = `${indicator.conversationId} ${indicator.userId}`;
    if (indicator.isTyping) this.#shown.set(key, indicator);
    else this.#shown.delete(key);
  }

  /**
   * Nobody is seen typing any more, in one conversation or in all; gives what is to be taken off the screen.
   * @param {string} [conversationId]
   * @param {string[]} [except] users who still type
   * @returns {TypingIndicator[]}
   */
  forget(conversationId, except = []) {
    const gone = [...this.#shown].filter(
      ([, one]) => (!conversationId || one.conversationId === conversationId) && !except.includes(one.userId),
    );
    for (const [key] of gone) this.#shown.delete(key);
    return gone.map(([, one]) => ({ ...one, isTyping: false }));
  }
}
