// Both browser clients with debug logs: node browser_clients.mjs URL SESSION_ID TOKEN RENEWED_TOKEN
import { io } from "socket.io-client";
import { AdminWebSocket } from "../../chatws/web/admin/src/services/websocket-client.js";
import { WidgetWebSocketHandler } from "../../chatws/web/widget/websocket-handler.js";

const UNREACHABLE = "http://127.0.0.1:9";
const [url, sessionId, token, renewedToken] = process.argv.slice(2);
const report = (step, result) => process.stdout.write(`${JSON.stringify({ step, ...result })}\n`);
const logged = [];
console.log = (...values) => logged.push(values);

class MemoryStorage {
  rows = new Map();
  getItem = (key) => this.rows.get(key) ?? null;
  setItem = (key, value) => void this.rows.set(key, value);
  removeItem = (key) => void this.rows.delete(key);
}

const storage = new MemoryStorage();
const received = { byOthers: [], all: [] };
const arrivals = new EventTarget();
const widget = new WidgetWebSocketHandler({ io, storage, debug: true });
widget.onMessageReceived(({ content }) => received.byOthers.push(content));
widget.onMessageReceived(
  ({ content }) => {
    received.all.push(content);
    arrivals.dispatchEvent(new Event(content));
  },
  { includeOwn: true },
);
const arrival = (content) => new Promise((resolve) => arrivals.addEventListener(content, resolve, { once: true }));
widget.connect(sessionId, url);
await widget.joinConversation("conv-1");
await new Promise((resolve) => widget.sendMessage("Hello!", resolve));

// The page is left while the server cannot be reached, and loaded again.
const before = new AdminWebSocket();
before.connect(token, UNREACHABLE, { io, storage });
before.sendMessage("conv-1", "How can I help?");
const agent = new AdminWebSocket();
agent.onMessageReceived(({ content }) => received.byOthers.push(`agent: ${content}`), { includeOwn: true });
agent.connect(renewedToken, url, { io, storage, debug: true });
const sent = Promise.all([
  arrival("How can I help?"),
  new Promise((resolve) => agent.chat.on("settled", resolve)),
]);
await agent.joinConversation("conv-1");
await sent;
report("received", received);
report("unsent", { rows: storage.rows.size });
agent.disconnect();
widget.disconnect();
report("logged", { lines: logged });
process.exit();
