/** Messages that were unsent when the page was reloaded, sent without opening their conversations. */

import adminWebSocket from "./src/services/websocket-client.js";

export class KeptMessages {
  #showWarning;
  /** Conversations that were joined only to send. @type {Set<string>} */
  #joined = new Set();

  /** @param {(text: string) => void} showWarning called for a message that was finally refused */
  constructor(showWarning) {
    this.#showWarning = showWarning;
  }

  /** Join the conversations of kept messages, because the server accepts messages of members only. */
  send() {
    const { chat } = adminWebSocket;
    for (const { conversationId } of chat.pending) this.#joined.add(conversationId);
    for (const conversationId of this.#joined) void adminWebSocket.joinConversation(conversationId).catch(() => null);
    chat.on("settled", (result, conversationId) => {
      const isShown = !this.#joined.has(conversationId);
      if (!result.success && !isShown) this.#showWarning(`A message was not sent: ${result.error.message}`);
      if (!chat.pending.some((entry) => entry.conversationId === conversationId)) this.release(conversationId);
    });
  }

  /** Leave a conversation that was joined to send; a view that opens it joins it again. @param {string} conversationId */
  release(conversationId) {
    if (this.#joined.delete(conversationId)) adminWebSocket.leaveConversation(conversationId);
  }
}
