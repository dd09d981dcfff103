/** Widget page: the customer's conversation, alone or embedded in another site. */

/** @import {HistoryAck, Presence} from "../core/protocol.js" */
/** @import {CustomerSession} from "./session.js" */

import { newId } from "../core/ids.js";
import { RestClient } from "../core/rest-client.js";
import { Composer } from "../ui/composer.js";
import { find, make } from "../ui/dom.js";
import { showStatus } from "../ui/status.js";
import { MessageThread } from "../ui/message-thread.js";
import { FrameChannel } from "./frame-messaging.js";
import { openSession } from "./session.js";
import { WidgetWebSocketHandler } from "./websocket-handler.js";

/** One request instead of the five of polling and its upgrade; after a failed attempt, polling comes first. */
const SOCKET_OPTIONS = { transports: ["websocket", "polling"] };
const FIRST_PAGE_SIZE = 50;
const OLDER_PAGE_SIZE = 100;

const options = new URLSearchParams(location.search);
const status = find("#status", HTMLElement);
const banner = find("#banner", HTMLElement);
const root = find("#chat", HTMLElement);
const frame = new FrameChannel(find("#close", HTMLButtonElement));

/** Known presence of the agents, by user id. */
const presences = new Map();

/** @param {string} text */
function showBanner(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

function applyOptions() {
  const title = options.get("title");
  const accent = options.get("accent") ?? "";
  if (title) document.title = find("#title", HTMLElement).textContent = title.slice(0, 60);
  if (!/^#[0-9a-f]{6}$/i.test(accent)) return;
  document.documentElement.style.setProperty("--accent", accent);
  document.documentElement.style.setProperty("--on-accent", isLight(accent) ? "#111111" : "#ffffff");
}

/** Whether black text has more contrast on the colour than white (WCAG 2, relative luminance). @param {string} colour */
function isLight(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

/** @param {Presence} presence */
function showAgents(presence) {
  presences.set(presence.userId, presence.status);
  const anyOnline = [...presences.values()].some((status) => status !== "offline");
  const label = find("#agent-presence", HTMLElement);
  label.dataset.presence = anyOnline ? "online" : "offline";
  label.textContent = anyOnline ? "We are here" : "We will answer here";
}

/** @param {WidgetWebSocketHandler} ws */
function createThread(ws) {
  return new MessageThread(root, {
    label: "Messages",
    empty: options.get("greeting")?.slice(0, 300) || "Hello! How can we help?",
    me: () => session?.userId,
    older: (beforeSeq) => ws.history({ beforeSeq, limit: OLDER_PAGE_SIZE }),
    send,
    read: (seq) => frame.isOpen && session && ws.markRead(seq),
  });
}

/** @param {string} text */
function send(text) {
  if (session) return void ws.sendMessage(text);
  early.push(text);
  thread.queue({ conversationId: "", content: text, clientMessageId: newId() });
}

/** Show everything that the client reports. @param {CustomerSession} session */
function subscribe({ userId }) {
  const { chat } = ws;
  const explainState = () => {
    if (chat.state !== "reconnecting") return showBanner("");
    const offlineText = "No connection. Your messages are sent as soon as it is restored.";
    return showBanner(chat.stats().restFallback ? "Limited connection: answers take a few seconds." : offlineText);
  };
  chat.on("connection", (state, detail) => {
    showStatus(status, state, detail);
    thread.setOffline(state !== "connected");
    explainState();
    // The disconnect is final: no message can be sent any more.
    if (state === "disconnected") composer.enable(false);
  });
  chat.on("queued", (entry) => {
    thread.queue(entry);
    if (chat.state !== "connected") thread.setOffline(true);
  });
  chat.on("settled", (result) => thread.settle(result));
  chat.on("message", (message) => {
    thread.add(message);
    if (message.sender.userId !== userId) frame.countUnread();
  });
  chat.on("reloaded", (_id, messages, hasOlder) => thread.reset(messages, hasOlder, chat.pending));
  const handoffButton = find("#handoff", HTMLButtonElement);
  handoffButton.addEventListener("click", () => void ws.handoff());
  chat.on("conversation", (conversation) => (handoffButton.hidden = conversation.status !== "bot"));
  chat.on("typing", (indicator) => thread.setTyping(indicator));
  chat.on("read", (mark) => thread.applyReadMark(mark));
  chat.on("presence", (presence) => presence.userId !== userId && showAgents(presence));
  chat.on("fallback", explainState);
  chat.on("error", (failed) => {
    if (chat.state === "disconnected") showBanner(`${failed.message} Reload the page to start again.`);
  });
}

async function start() {
  const opened = await openSession(showBanner);
  showBanner("");
  const page = opened.isNew ? null : await fetchFirstPage(opened);
  const messages = page?.messages ?? [];
  ws.connect(opened.sessionId, location.origin);
  session = opened;
  subscribe(opened);
  // Join at the position of the last loaded message, so that no message is missed in between.
  const position = page || opened.isNew ? (messages.at(-1)?.seq ?? 0) : undefined;
  const joined = ws.joinConversation(opened.conversationId, position);
  early.splice(0).forEach(send);
  thread.reset(messages, page?.hasMoreBefore ?? false, ws.chat.pending);
  await joined;
}

/**
 * @param {CustomerSession} session
 * @returns {Promise<HistoryAck | null>}
 */
async function fetchFirstPage({ sessionId, conversationId }) {
  const rest = new RestClient("", () => ({ "X-Session-Id": sessionId }));
  const path = `/api/conversations/${conversationId}/messages`;
  const reply = await rest.get(path, { limit: FIRST_PAGE_SIZE }).catch(() => null);
  return reply?.success ? reply : null;
}

applyOptions();
/** Null until the server has confirmed or created the customer's session. @type {CustomerSession | null} */
let session = null;
/** Messages written before that. @type {string[]} */
const early = [];
const ws = new WidgetWebSocketHandler({ debug: options.has("debug"), socketOptions: SOCKET_OPTIONS });
const thread = createThread(ws);
const composer = new Composer(root, {
  label: "Your message",
  onSend: send,
  onTyping: (isTyping) => session && (isTyping ? ws.sendTypingStart() : ws.sendTypingStop()),
});
frame.onOpen(() => composer.focus());

start().catch((failure) => {
  showStatus(status, "disconnected");
  showBanner(failure instanceof Error ? failure.message : String(failure));
  root.append(make("p", { class: "thread-empty" }, "The chat cannot be opened right now."));
});
