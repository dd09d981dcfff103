/** The widget's window: finds the customer's session, shows the conversation, and talks to the page around it. */

/** @import {HistoryAck, Presence} from "../core/protocol.js" */
/** @import {CustomerSession} from "./session.js" */

import { Rest } from "../core/rest.js";
import { Composer } from "../ui/composer.js";
import { find, make } from "../ui/dom.js";
import { showStatus } from "../ui/status.js";
import { Thread } from "../ui/thread.js";
import { Frame } from "./frame-messages.js";
import { openSession } from "./session.js";
import { WidgetWebSocketHandler } from "./websocket-handler.js";

const FIRST_PAGE = 50;
const OLDER_PAGE = 100;

const options = new URLSearchParams(location.search);
const status = find("#status", HTMLElement);
const banner = find("#banner", HTMLElement);
const root = find("#chat", HTMLElement);
const frame = new Frame(find("#close", HTMLButtonElement));

/** Agents by id, as far as their presence is known: the customer learns whether anybody is there. */
const presences = new Map();

/** @param {string} text */
function say(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

function dress() {
  const title = options.get("title");
  const accent = options.get("accent") ?? "";
  if (title) document.title = find("#title", HTMLElement).textContent = title.slice(0, 60);
  if (!/^#[0-9a-f]{6}$/i.test(accent)) return;
  document.documentElement.style.setProperty("--accent", accent);
  document.documentElement.style.setProperty("--on-accent", isLight(accent) ? "#111111" : "#ffffff");
}

/** Whether black is easier to read on it than white (WCAG 2, relative luminance). @param {string} colour */
function isLight(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

/** @param {Presence} presence */
function showAgents(presence) {
  presences.set(presence.userId, presence.status);
  const isThere = [...presences.values()].some((one) => one !== "offline");
  const who = find("#who", HTMLElement);
  who.dataset.presence = isThere ? "online" : "offline";
  who.textContent = isThere ? "We are here" : "We will answer here";
}

/**
 * @param {WidgetWebSocketHandler} ws
 * @param {CustomerSession} session
 */
function show(ws, { conversationId, userId }) {
  const { chat } = ws;
  const thread = new Thread(root, {
    label: "Messages",
    empty: options.get("greeting")?.slice(0, 300) || "Hello! How can we help?",
    me: () => userId,
    older: (beforeSeq) => chat.history(conversationId, { beforeSeq, limit: OLDER_PAGE }),
    send: (text) => void ws.sendMessage(text),
    read: (seq) => frame.isOpen && chat.markRead(conversationId, seq),
  });
  const composer = new Composer(root, {
    label: "Your message",
    onSend: (text) => void ws.sendMessage(text),
    onTyping: (isTyping) => (isTyping ? ws.sendTypingStart() : ws.sendTypingStop()),
  });
  const explain = () => {
    if (chat.state !== "reconnecting") return say("");
    const words = "No connection. What you write is sent as soon as it is back.";
    return say(chat.stats().restFallback ? "Connected the slow way: answers take a few seconds." : words);
  };
  chat.on("connection", (state, detail) => {
    showStatus(status, state, detail);
    thread.offline(state !== "connected");
    explain();
    // This one was refused for good: what is written would go nowhere.
    if (state === "disconnected") composer.enable(false);
  });
  chat.on("queued", (entry) => {
    thread.queue(entry);
    if (chat.state !== "connected") thread.offline(true);
  });
  chat.on("settled", (result) => thread.settle(result));
  chat.on("message", (message) => {
    thread.add(message);
    if (message.sender.userId !== userId) frame.hear();
  });
  chat.on("reloaded", (_id, messages, hasOlder) => thread.reset(messages, hasOlder, chat.pending));
  const human = find("#human", HTMLButtonElement);
  human.addEventListener("click", () => void ws.handoff());
  chat.on("conversation", (conversation) => (human.hidden = conversation.status !== "bot"));
  chat.on("typing", (indicator) => thread.typing(indicator));
  chat.on("read", (mark) => thread.mark(mark));
  chat.on("presence", (presence) => presence.userId !== userId && showAgents(presence));
  chat.on("fallback", explain);
  chat.on("error", (failed) => {
    if (chat.state === "disconnected") say(`${failed.message} Reload the page to start again.`);
  });
  frame.onOpen(() => composer.focus());
  return thread;
}

async function start() {
  dress();
  const ws = new WidgetWebSocketHandler();
  const session = await openSession(say);
  say("");
  const page = await firstPage(session);
  const messages = page?.messages ?? [];
  ws.connect(session.sessionId, location.origin);
  const thread = show(ws, session);
  thread.reset(messages, page?.hasMoreBefore ?? false, ws.chat.pending);
  // From where the page ends, so that nothing falls between the two.
  await ws.joinConversation(session.conversationId, page ? (messages.at(-1)?.seq ?? 0) : undefined);
}

/**
 * @param {CustomerSession} session
 * @returns {Promise<HistoryAck | null>}
 */
async function firstPage({ sessionId, conversationId }) {
  const rest = new Rest("", () => ({ "X-Session-Id": sessionId }));
  const path = `/api/conversations/${conversationId}/messages`;
  const reply = await rest.get(path, { limit: FIRST_PAGE }).catch(() => null);
  return reply?.success ? reply : null;
}

start().catch((failure) => {
  showStatus(status, "disconnected");
  say(failure instanceof Error ? failure.message : String(failure));
  root.append(make("p", { class: "thread-empty" }, "The chat cannot be opened right now."));
});
