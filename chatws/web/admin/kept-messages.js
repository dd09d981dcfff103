/** Messages that were unsent when the page was reloaded, sent without opening their conversations. */

import adminWebSocket from "./src/services/websocket-client.js";

export class KeptMessages {
  /** Conversations that were joined only to send. @type {Set<string>} */
  #joined = new Set();

  /** Join the conversations of kept messages, because the server accepts messages of members only. */
  send() {
    const { chat } = adminWebSocket;
    for (const { conversationId } of chat.pending) this.#joined.add(conversationId);
    for (const conversationId of this.#joined) void adminWebSocket.joinConversation(conversationId).catch(() => null);
    chat.on("settled", (_result, conversationId) => {
      if (!chat.pending.some((entry) => entry.conversationId === conversationId)) this.release(conversationId);
    });
  }

  /** Leave a conversation that was joined to send; a view that opens it joins it again. @param {string} conversationId */
  release(conversationId) {
    if (this.#joined.delete(conversationId)) adminWebSocket.leaveConversation(conversationId);
  }
}
