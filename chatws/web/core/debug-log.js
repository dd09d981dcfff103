/** Log of a client on the browser's console, in the form of the guide: `[WebSocket] Connected`. */

/** @import {ChatClient, PendingMessage} from "./chat-client.js" */

const PREFIX = "[WebSocket]";

/**
 * Log connections, sent and received messages, and errors of a client; received contents are not logged.
 * @param {ChatClient} chat
 */
export function logToConsole(chat) {
  /** Contents of messages without an acknowledgement, by clientMessageId. @type {Map<string, PendingMessage>} */
  const unsettled = new Map(chat.pending.map((entry) => [entry.clientMessageId, entry]));
  chat.on("connection", (state, { reason, attempt, delayMs, socketId }) => {
    if (state === "connected") console.log(`${PREFIX} Connected`, socketId);
    else if (state === "reconnecting") console.log(`${PREFIX} Reconnecting`, { reason, attempt, delayMs });
    else console.log(`${PREFIX} Disconnected`, reason);
  });
  chat.on("queued", (entry) => void unsettled.set(entry.clientMessageId, entry));
  chat.on("settled", (result, conversationId) => {
    const content = unsettled.get(result.clientMessageId)?.content;
    unsettled.delete(result.clientMessageId);
    if (result.success) console.log(`${PREFIX} Message sent`, { conversationId, content });
    else console.log(`${PREFIX} Message refused`, { conversationId, ...result.error });
  });
  chat.on("message", ({ conversationId, messageId, seq, sender }, { own }) => {
    if (!own) console.log(`${PREFIX} Message received`, { conversationId, messageId, seq, senderId: sender.userId });
  });
  chat.on("error", (failed) => console.log(`${PREFIX} Error`, failed));
}
