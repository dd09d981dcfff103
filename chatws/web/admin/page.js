/** Dashboard page: log-in, and the composition of inbox, conversation view and notifications. */

/** @import {LoginAck, Refused} from "../core/protocol.js" */

import { RestClient } from "../core/rest-client.js";
import { find } from "../ui/dom.js";
import { chime } from "../ui/sound.js";
import { showStatus } from "../ui/status.js";
import { ConversationView } from "./conversation-view.js";
import { Inbox } from "./inbox.js";
import adminWebSocket from "./src/services/websocket-client.js";

const TOKEN_KEY = "auth_token";
const USER_KEY = "auth_user";
const SOUND_KEY = "chatws.sound";
/** Display time of a warning. */
const WARNING_MS = 8_000;

const rest = new RestClient("", authorization);
const banner = find("#banner", HTMLElement);
const body = find(".dashboard-body", HTMLElement);
const soundButton = find("#sound", HTMLButtonElement);
const presence = find("#presence", HTMLSelectElement);

function token() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** @returns {Record<string, string>} */
function authorization() {
  return token() ? { Authorization: `Bearer ${token()}` } : {};
}

/** @param {LoginAck} login */
function storeLogin(login) {
  sessionStorage.setItem(TOKEN_KEY, login.token);
  sessionStorage.setItem(USER_KEY, login.user.userId);
  return login.token;
}

/** @param {string} problem */
function showLogin(problem = "") {
  find("#dashboard", HTMLElement).hidden = true;
  find("#login", HTMLElement).hidden = false;
  find("#login-dev", HTMLElement).hidden = document.documentElement.dataset.mode !== "dev";
  find("#login-problem", HTMLElement).textContent = problem;
}

/**
 * @param {string} path
 * @param {object} body
 */
async function logIn(path, body) {
  try {
    /** @type {LoginAck | Refused} */
    const login = await rest.post(path, body);
    if (!login.success) return showLogin(login.error.message);
    storeLogin(login);
    openDashboard();
  } catch {
    showLogin("The server cannot be reached.");
  }
}

async function renewToken() {
  /** @type {LoginAck | Refused} */
  const login = await rest.post("/api/auth/refresh");
  return login.success ? storeLogin(login) : null;
}

function endLogin() {
  adminWebSocket.disconnect();
  sessionStorage.removeItem(TOKEN_KEY);
  sessionStorage.removeItem(USER_KEY);
}

async function logOut() {
  await rest.post("/api/auth/logout").catch(() => null);
  endLogin();
  location.reload();
}

function openDashboard() {
  find("#login", HTMLElement).hidden = true;
  find("#dashboard", HTMLElement).hidden = false;
  const userId = sessionStorage.getItem(USER_KEY) ?? "";
  const view = new ConversationView(find("#conversation", HTMLElement), userId, {
    onClose: () => (body.dataset.view = "list"),
    onRead: (conversationId, seq) => inbox.read(conversationId, seq),
    showWarning,
  });
  const inbox = new Inbox(userId, (conversation) => {
    body.dataset.view = "conversation";
    void view.open(conversation, inbox.presenceOf(conversation.customer.userId));
  });
  adminWebSocket.onConnectionChange((state, detail) => {
    showStatus(find("#status", HTMLElement), state, detail);
    showBanner(state === "reconnecting" ? "No connection. Your messages are sent as soon as it is restored." : "");
  });
  adminWebSocket.onPresenceUpdate((update) => {
    inbox.updatePresence(update);
    view.updatePresence(update);
  });
  adminWebSocket.onInbox((loaded) => loaded.presence.forEach((update) => view.updatePresence(update)));
  adminWebSocket.onConversationUpdated((conversation) => {
    if (inbox.update(conversation)) playSound();
    view.update(conversation);
  });
  adminWebSocket.onError((failed) => {
    if (adminWebSocket.chat.state !== "disconnected") return showWarning(failed.message);
    endLogin();
    showLogin(failed.message);
  });
  const debug = new URLSearchParams(location.search).has("debug");
  adminWebSocket.connect(token(), location.origin, { renewToken, debug });
  void adminWebSocket.subscribeInbox();
}

function playSound() {
  if (soundButton.getAttribute("aria-pressed") === "true") chime();
}

/** @param {string} text */
function showBanner(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

/** Show a warning for a limited time. @param {string} text */
function showWarning(text) {
  showBanner(text);
  if (text) setTimeout(() => banner.textContent === text && showBanner(""), WARNING_MS);
}

/** @param {boolean} on */
function showSound(on) {
  soundButton.setAttribute("aria-pressed", String(on));
  soundButton.title = on ? "Notification sound is on" : "Notification sound is off";
  localStorage.setItem(SOUND_KEY, on ? "on" : "off");
}

showSound(localStorage.getItem(SOUND_KEY) !== "off");
soundButton.addEventListener("click", () => showSound(soundButton.getAttribute("aria-pressed") !== "true"));
presence.addEventListener("change", () => {
  void adminWebSocket.setPresence(/** @type {"online" | "away" | "busy"} */ (presence.value));
});
find("#logout", HTMLButtonElement).addEventListener("click", () => void logOut());
find("#login-dev", HTMLButtonElement).addEventListener("click", () => void logIn("/api/dev/token", {}));
find("#login-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void logIn("/api/auth/login", Object.fromEntries(new FormData(find("#login-form", HTMLFormElement))));
});
if (token()) openDashboard();
else showLogin();
