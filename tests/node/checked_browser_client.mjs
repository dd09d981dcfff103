// Browser client that sends a message every 300 ms, for `chatws check-client`: node checked_browser_client.mjs widget|admin
import { io } from "socket.io-client";
import { AdminWebSocket } from "../../chatws/web/admin/src/services/websocket-client.js";
import { WidgetWebSocketHandler } from "../../chatws/web/widget/websocket-handler.js";

const INTERVAL_MS = 300;
const KEY_STROKES = 5;
const CONVERSATION = "conv-1";
const url = process.env.CHATWS_URL;

let tokens = 0;

/** Return another token of the same agent; the server of the check does not verify its signature. */
function makeToken() {
  tokens += 1;
  return `head.${Buffer.from(JSON.stringify({ sub: "ada", number: tokens })).toString("base64url")}.signature`;
}

function openAdmin() {
  const admin = new AdminWebSocket();
  admin.connect(makeToken(), url, { io, storage: null, renewToken: async () => makeToken() });
  return {
    client: admin,
    send: (content) => admin.sendMessage(CONVERSATION, content),
    type: () => admin.sendTypingStart(CONVERSATION),
  };
}

function openWidget() {
  const widget = new WidgetWebSocketHandler({ io, storage: null });
  widget.connect("session-1", url);
  return { client: widget, send: (content) => widget.sendMessage(content), type: () => widget.sendTypingStart() };
}

const { client, send, type } = process.argv[2] === "admin" ? openAdmin() : openWidget();
client.onMessageReceived((message) => console.log(message.content));
client.joinConversation(CONVERSATION).catch((error) => console.log("not joined:", error.message));
let number = 0;
setInterval(() => {
  for (let key = 0; key < KEY_STROKES; key += 1) type();
  number += 1;
  send(`message ${number}`);
}, INTERVAL_MS);
