/** Widget page: the customer's conversation, alone or embedded in another site. */

/** @import {HistoryAck} from "../core/protocol.js" */
/** @import {CustomerSession} from "./session.js" */

import { newId } from "../core/ids.js";
import { RestClient } from "../core/rest-client.js";
import { tabStorage } from "../core/tab-storage.js";
import { Composer } from "../ui/composer.js";
import { find, make } from "../ui/dom.js";
import { draftIn } from "../ui/draft.js";
import { MessageThread } from "../ui/message-thread.js";
import { chime } from "../ui/sound.js";
import { showStatus } from "../ui/status.js";
import { texts } from "../ui/texts.js";
import { applyAppearance } from "./appearance.js";
import { Availability } from "./availability.js";
import { FrameChannel } from "./frame-messaging.js";
import { greeting } from "./greeting.js";
import { parseOfficeHours } from "./office-hours.js";
import { hasSession, openSession, storeEmail, storeReadSeq } from "./session.js";
import { StatusNotices } from "./status-notices.js";
import { askBeforeChat, LeaveMail } from "./visitor-form.js";
import { WidgetWebSocketHandler } from "./websocket-handler.js";

/** One request instead of the five of polling and its upgrade; after a failed attempt, polling comes first. */
const SOCKET_OPTIONS = { transports: ["websocket", "polling"] };
const FIRST_PAGE_SIZE = 50;
const OLDER_PAGE_SIZE = 100;
const ASKED = /** @type {const} */ (["name", "email"]);

const options = new URLSearchParams(location.search);
/** The visitor's name or signed identity, and texts of a language that is not shipped, as given by the embedding site. */
const given = new URLSearchParams(location.hash.slice(1));
const status = find("#status", HTMLElement);
const banner = find("#banner", HTMLElement);
const root = find("#chat", HTMLElement);
const frame = new FrameChannel(find("#close", HTMLButtonElement));

/** @param {string} text */
function showBanner(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

/** @param {WidgetWebSocketHandler} ws */
function createThread(ws) {
  return new MessageThread(root, {
    label: texts.messages,
    first: greeting(options.get("agent"), options.get("avatar")),
    me: () => session?.userId,
    older: (beforeSeq) => ws.history({ beforeSeq, limit: OLDER_PAGE_SIZE }),
    send,
    read: (seq) => frame.isOpen && session && markRead(seq),
  });
}

/** @param {number} seq */
function markRead(seq) {
  ws.markRead(seq);
  storeReadSeq(seq);
}

/**
 * @param {string} text
 * @param {string} [clientMessageId] that of a refused message that is sent again
 */
function send(text, clientMessageId) {
  frame.reportUse();
  hasWritten = true;
  offerLeaveMail();
  if (session) return void ws.sendMessage(text, undefined, clientMessageId);
  early.push(text);
  thread.queue({ conversationId: "", content: text, clientMessageId: newId() });
}

/** Show everything that the client reports. @param {CustomerSession} session */
function subscribe({ userId }) {
  const { chat } = ws;
  const explainState = () => {
    if (chat.state !== "reconnecting") return showBanner("");
    return showBanner(chat.stats().restFallback ? texts.limited : texts.offline);
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
    if (message.sender.userId === userId) return;
    const isUnread = frame.countUnread(message.sender.userName, message.content);
    if (isUnread && options.get("sound") === "on") chime();
  });
  chat.on("reloaded", (_id, messages, hasOlder) => thread.reset(messages, hasOlder, chat.pending));
  const handoffButton = find("#handoff", HTMLButtonElement);
  handoffButton.addEventListener("click", () => void ws.handoff());
  const notices = new StatusNotices(find(".messages", HTMLOListElement, root));
  chat.on("conversation", (conversation) => {
    handoffButton.hidden = conversation.status !== "bot";
    notices.update(conversation);
  });
  chat.on("typing", (indicator) => thread.setTyping(indicator));
  chat.on("read", (mark) => thread.applyReadMark(mark));
  chat.on("presence", (presence) => presence.userId !== userId && availability.update(presence));
  chat.on("fallback", explainState);
  chat.on("error", (failed) => {
    if (chat.state === "disconnected") showBanner(`${failed.message} ${texts.reload}`);
  });
}

/** Offer to leave a mail address, once the customer has written and no agent is online. */
function offerLeaveMail() {
  leaveMail?.show(hasWritten && session !== null && !session.hasEmail && !availability.isAnyoneHere);
}

/** Ask a new visitor for what the site wants to know and has not given; return all that is known. */
async function knownVisitor() {
  const visitor = /** @type {import("./session.js").Visitor} */ (Object.fromEntries(given));
  const asked = ASKED.filter((field) => (options.get("ask") ?? "").includes(field) && !visitor[field]);
  if (!asked.length || visitor.identity || hasSession(visitor)) return visitor;
  status.hidden = true;
  const answers = await askBeforeChat(root, asked, wantsFocus);
  status.hidden = false;
  composer.focus();
  return { ...visitor, ...answers };
}

async function start() {
  await firstOpened;
  const opened = await openSession(() => showBanner(texts.unreachable), await knownVisitor());
  showBanner("");
  ws.connect(opened.sessionId, location.origin);
  subscribe(opened);
  // In parallel with the handshake.
  const page = opened.isNew ? null : await fetchFirstPage(opened);
  const messages = page?.messages ?? [];
  session = opened;
  hasWritten ||= messages.some((message) => message.sender.userId === opened.userId);
  availability.begin(opened.agentsOnline);
  // Join at the position of the last loaded message, so that no message is missed in between.
  const position = page || opened.isNew ? (messages.at(-1)?.seq ?? 0) : undefined;
  const joined = ws.joinConversation(opened.conversationId, position);
  for (const text of early.splice(0)) send(text);
  thread.reset(messages, page?.hasMoreBefore ?? false, ws.chat.pending);
  await joined;
}

/** @param {string} email */
const saveEmail = async (email) => (session ? storeEmail(session, email) : texts.cannotOpen);

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

applyAppearance(options, given.get("texts") ?? "");
/** Null until the server has confirmed or created the customer's session. @type {CustomerSession | null} */
let session = null;
/** Messages written before that. @type {string[]} */
const early = [];
let hasWritten = false;
/** Whether the visitor opened the chat, so that a form that appears later may take the focus. */
let wantsFocus = false;
const hours = parseOfficeHours(options.get("hours") ?? "", options.get("timeZone") ?? "UTC");
const availability = new Availability(find("#agent-presence", HTMLElement), hours, offerLeaveMail);
const ws = new WidgetWebSocketHandler({ debug: options.has("debug"), socketOptions: SOCKET_OPTIONS });
const thread = createThread(ws);
const composer = new Composer(root, {
  label: texts.yourMessage,
  onSend: (text) => send(text),
  onTyping: (isTyping) => session && (isTyping ? ws.sendTypingStart() : ws.sendTypingStop()),
  draft: draftIn(tabStorage(), "chatws.draft"),
});
const leaveMail = options.get("leaveMail") === "on" ? new LeaveMail(find(".composer", HTMLElement), saveEmail) : null;
frame.onOpen((takeFocus) => {
  wantsFocus = takeFocus;
  const field = document.querySelector(".visitor-form input");
  if (takeFocus) (field instanceof HTMLInputElement ? field : composer).focus();
  thread.markSeen();
});
/** A page that is loaded before the click creates no session before it. @type {Promise<void> | null} */
const firstOpened = options.get("wait") ? new Promise((resolve) => frame.onOpen(() => resolve())) : null;
frame.ready();

start().catch((failure) => {
  showStatus(status, "disconnected");
  showBanner(failure instanceof Error ? failure.message : String(failure));
  root.append(make("p", { class: "thread-empty" }, texts.cannotOpen));
});
