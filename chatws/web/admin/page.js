/** Dashboard page: composition of log-in, list of conversations, conversation view and notifications. */

/** @import {BotNotice} from "../core/protocol.js" */

import { find } from "../ui/dom.js";
import { initialsOf } from "../ui/format.js";
import { showStatus } from "../ui/status.js";
import { Alerts, isPageActive } from "./alerts.js";
import { conversationInUrl, putConversationInUrl } from "./conversation-url.js";
import { ConversationView } from "./conversation-view.js";
import { Drafts } from "./drafts.js";
import { IdlePresence } from "./idle-presence.js";
import { Inbox } from "./inbox.js";
import { KeptMessages } from "./kept-messages.js";
import { Login } from "./login.js";
import { Search } from "./search.js";
import { Shortcuts } from "./shortcuts.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Display time of a warning. */
const WARNING_MS = 8_000;

const banner = find("#banner", HTMLElement);
/** Text of the banner while there is no warning. */
let connectionText = "";
const dashboard = find("#dashboard", HTMLElement);
const body = find(".dashboard-body", HTMLElement);
// A second log-in starts with a new page, without the state of the first agent.
const login = new Login(() => (dashboard.dataset.started ? location.reload() : openDashboard()));

function openDashboard() {
  find("#login", HTMLElement).hidden = true;
  dashboard.hidden = false;
  dashboard.dataset.started = "true";
  const { userId } = login;
  const debug = new URLSearchParams(location.search).has("debug");
  adminWebSocket.connect(login.token, location.origin, { renewToken: () => login.renewToken(), debug });
  const kept = new KeptMessages(showWarning);
  const alerts = new Alerts((conversationId) => void open(conversationId), showWarning);
  const view = new ConversationView(find("#conversation", HTMLElement), userId, new Drafts(userId), {
    onClose: close,
    onOpen: (conversationId) => void open(conversationId),
    onRead: (conversationId, seq) => inbox.read(conversationId, seq),
    showWarning,
  });
  const inbox = new Inbox(userId, {
    onOpen: (conversationId) => void open(conversationId),
    onUnread: (conversations) => alerts.showUnread(conversations),
  });

  const search = new Search((hits) => inbox.showHits(hits), showWarning);

  /** @param {string} conversationId */
  async function open(conversationId) {
    putConversationInUrl(conversationId);
    const conversation = await inbox.find(conversationId).catch(() => undefined);
    if (conversationInUrl() !== conversationId) return; // another one was chosen in the meantime
    if (!conversation) {
      close();
      return showWarning(conversation === null ? "There is no such conversation." : "The server cannot be reached.");
    }
    kept.release(conversationId);
    body.dataset.view = "conversation";
    inbox.select(conversationId);
    if (view.isOpen(conversation)) view.focus();
    else await view.open(conversation, inbox.presenceOf(conversation.customer.userId));
  }

  function close() {
    putConversationInUrl("");
    body.dataset.view = "list";
    view.close();
    inbox.select("");
  }

  /** @param {1 | -1} step */
  function openNeighbour(step) {
    const conversationId = inbox.neighbour(step);
    if (conversationId) void open(conversationId);
  }

  /** @param {BotNotice} notice */
  async function showNotice({ conversationId, kind, reason }) {
    if (kind !== "failed") return; // a hand-off is a change of the conversation, and its reason a note
    const conversation = await inbox.find(conversationId).catch(() => null);
    if (!conversation) return;
    const cause = reason ? ` (${reason})` : "";
    inbox.setNotice(conversationId, `The bot failed to answer${cause}`);
    showWarning(`The bot failed to answer ${conversation.customer.userName}${cause}.`);
    alerts.notify(conversation);
  }

  function followUrl() {
    const conversationId = conversationInUrl();
    if (conversationId) void open(conversationId);
    else close();
  }

  adminWebSocket.onPresenceUpdate((update) => {
    inbox.updatePresence(update);
    view.updatePresence(update);
  });
  adminWebSocket.onInbox((loaded) => loaded.presence.forEach((update) => view.updatePresence(update)));
  adminWebSocket.onConversationUpdated((conversation) => {
    const isSeen = view.isOpen(conversation) && isPageActive();
    if (inbox.update(conversation) && !isSeen) alerts.notify(conversation);
    view.update(conversation);
  });
  adminWebSocket.chat.on("other", (name, payload) => {
    if (name === "bot_notice") void showNotice(/** @type {BotNotice} */ (payload));
  });
  new IdlePresence();
  new Shortcuts([
    { key: "j", help: "Next conversation", run: () => openNeighbour(1) },
    { key: "k", help: "Previous conversation", run: () => openNeighbour(-1) },
    { key: "r", help: "Write a reply", run: () => view.write("reply") },
    { key: "n", help: "Write a note", run: () => view.write("note") },
    { key: "c", help: "Claim the conversation", run: () => view.run("Claim") },
    { key: "e", help: "Resolve the conversation", run: () => view.run("Resolve") },
    { key: "u", help: "Show or hide the customer's details", run: () => view.toggleCustomer() },
    { key: "/", help: "Search", run: () => search.focus() },
    { key: "Escape", help: "Move to the list of conversations", run: () => inbox.focus() },
  ]);
  watchConnection();
  void adminWebSocket.subscribeInbox();
  kept.send();
  addEventListener("popstate", followUrl);
  followUrl();
}

function watchConnection() {
  adminWebSocket.onConnectionChange((state, detail) => {
    showStatus(find("#status", HTMLElement), state, detail);
    connectionText = state === "reconnecting" ? "No connection. Your messages are sent as soon as it is restored." : "";
    showBanner(connectionText);
  });
  adminWebSocket.onError((failed) => {
    if (adminWebSocket.chat.state !== "disconnected") return showWarning(failed.message);
    login.forget();
    login.show(failed.message);
  });
  adminWebSocket.chat.on("identity", ({ userName }) => {
    find("#agent-avatar", HTMLElement).textContent = initialsOf(userName);
    find("#agent-name", HTMLElement).textContent = userName;
  });
}

async function logOut() {
  await login.logOut();
  adminWebSocket.disconnect();
  putConversationInUrl("");
  location.reload();
}

/** @param {string} text */
function showBanner(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

/** Show a warning for a limited time; an empty one ends the one that is shown. @param {string} text */
function showWarning(text) {
  showBanner(text || connectionText);
  if (text) setTimeout(() => banner.textContent === text && showBanner(connectionText), WARNING_MS);
}

find("#logout", HTMLButtonElement).addEventListener("click", () => void logOut());
if (login.token) openDashboard();
else login.show();
