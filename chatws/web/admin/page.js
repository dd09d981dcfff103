/** The dashboard: who the agent is, and the parts of the desk. */

/** @import {LoginAck, Refused} from "../core/protocol.js" */

import { Rest } from "../core/rest.js";
import { find } from "../ui/dom.js";
import { chime } from "../ui/sound.js";
import { showStatus } from "../ui/status.js";
import { ConversationPane } from "./conversation.js";
import { Inbox } from "./inbox.js";
import adminWebSocket from "./src/services/websocket-client.js";

const TOKEN_KEY = "auth_token";
const USER_KEY = "auth_user";
const SOUND_KEY = "chatws.sound";
/** How long a problem that is over stays on the screen. */
const WARNING_MS = 8_000;

const rest = new Rest("", authorization);
const banner = find("#banner", HTMLElement);
const panes = find(".panes", HTMLElement);
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
function keep(login) {
  sessionStorage.setItem(TOKEN_KEY, login.token);
  sessionStorage.setItem(USER_KEY, login.user.userId);
  return login.token;
}

/** @param {string} problem */
function showLogin(problem = "") {
  find("#desk", HTMLElement).hidden = true;
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
    keep(login);
    openDesk();
  } catch {
    showLogin("The server cannot be reached.");
  }
}

async function renewToken() {
  /** @type {LoginAck | Refused} */
  const login = await rest.post("/api/auth/refresh");
  return login.success ? keep(login) : null;
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

function openDesk() {
  find("#login", HTMLElement).hidden = true;
  find("#desk", HTMLElement).hidden = false;
  const me = sessionStorage.getItem(USER_KEY) ?? "";
  const pane = new ConversationPane(find("#conversation", HTMLElement), me, {
    onClose: () => (panes.dataset.shows = "list"),
    onRead: (conversationId, seq) => inbox.read(conversationId, seq),
    warn,
  });
  const inbox = new Inbox(me, (conversation) => {
    panes.dataset.shows = "conversation";
    void pane.open(conversation, inbox.presenceOf(conversation.customer.userId));
  });
  adminWebSocket.onConnectionChange((state, detail) => {
    showStatus(find("#status", HTMLElement), state, detail);
    say(state === "reconnecting" ? "No connection. What you write is sent as soon as it is back." : "");
  });
  adminWebSocket.onPresenceUpdate((update) => {
    inbox.hearPresence(update);
    pane.hearPresence(update);
  });
  adminWebSocket.onInbox((loaded) => loaded.presence.forEach((update) => pane.hearPresence(update)));
  adminWebSocket.onConversationUpdated((conversation) => {
    if (inbox.hear(conversation)) ring();
    pane.hear(conversation);
  });
  adminWebSocket.onError((failed) => {
    if (adminWebSocket.chat.state !== "disconnected") return warn(failed.message);
    endLogin();
    showLogin(failed.message);
  });
  adminWebSocket.connect(token(), location.origin, { renewToken });
  void adminWebSocket.subscribeInbox();
}

function ring() {
  if (soundButton.getAttribute("aria-pressed") === "true") chime();
}

/** @param {string} text */
function say(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

/** Say what went wrong, for a while. @param {string} text */
function warn(text) {
  say(text);
  if (text) setTimeout(() => banner.textContent === text && say(""), WARNING_MS);
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
if (token()) openDesk();
else showLogin();
