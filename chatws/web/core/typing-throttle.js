/** Throttle of the user's own typing notifications. */

/** Interval between `typing_start` requests while keys are pressed, until the server sends its own value. */
const RESEND_MS = 2_000;

/** Decides when typing notifications are sent; the end of typing is never dropped. */
export class TypingThrottle {
  resendMs = RESEND_MS;
  /** @type {Map<string, number>} */
  #sentAt = new Map();

  /**
   * Record a key press; return true when `typing_start` has to be sent.
   * @param {string} conversationId
   * @param {number} now
   */
  start(conversationId, now) {
    const sentAt = this.#sentAt.get(conversationId);
    if (sentAt !== undefined && now < sentAt + this.resendMs) return false;
    this.#sentAt.set(conversationId, now);
    return true;
  }

  /**
   * Record the end of typing; return true when `typing_stop` has to be sent.
   * @param {string} conversationId
   */
  stop(conversationId) {
    return this.#sentAt.delete(conversationId);
  }

  /** Clear the state after a disconnect; the server does the same. */
  reset() {
    this.#sentAt.clear();
  }
}
