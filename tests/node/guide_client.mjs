// Customer's client with the code that the guide prints, which sends a message every 300 ms: node guide_client.mjs
import { io } from "socket.io-client";

const INTERVAL_MS = 300;
const KEY_STROKES = 5;
const url = process.env.CHATWS_URL;
const currentConversationId = "test-conv";

// Auto-Reconnection
const socket = io(url, {
  auth: { sessionId: "test-session" },
  reconnection: true,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  reconnectionAttempts: 5,
});
socket.on("reconnect_attempt", (attempt) => console.log(`Reconnecting... attempt ${attempt}`));
socket.on("reconnect", (attempt) => {
  console.log(`Reconnected after ${attempt} attempts`);
  socket.emit("join_conversation", currentConversationId);
});
socket.on("reconnect_failed", () => console.error("Failed to reconnect after max attempts"));

// Connection Errors
socket.on("connect_error", (error) => console.error("Connection failed:", error.message));
socket.on("disconnect", (reason) => console.log("Disconnected:", reason));

// Manual Testing with DevTools
socket.on("connect", () => console.log("Connected!"));
socket.emit("join_conversation", currentConversationId);

// Listen for messages
socket.on("message_received", (data) => console.log("Received:", data.content));

// Acknowledge Important Messages
function sendMessage(data) {
  socket.emit("send_message", data, (ack) => {
    if (!ack.success) retryMessage(data);
  });
}
const retryMessage = (data) => setTimeout(sendMessage, INTERVAL_MS, data);

// Handle Typing Gracefully
let typingTimeout;
function onInput() {
  clearTimeout(typingTimeout);
  socket.emit("typing_start", currentConversationId);
  typingTimeout = setTimeout(() => socket.emit("typing_stop", currentConversationId), 3000);
}

let number = 0;
setInterval(() => {
  for (let key = 0; key < KEY_STROKES; key += 1) onInput();
  number += 1;
  sendMessage({ conversationId: currentConversationId, content: `message ${number}` });
}, INTERVAL_MS);
