/** Test page: a customer and an agent in one conversation, with a log of all events. */

import { ChatClient } from "../core/chat-client.js";
import { RestClient } from "../core/rest-client.js";
import { find, make } from "../ui/dom.js";
import { WidgetWebSocketHandler } from "../widget/websocket-handler.js";
import { EventLog } from "./event-log.js";
import { ParticipantPanel } from "./participant-panel.js";

/** @import {LoginAck, Refused, SessionAck} from "../core/protocol.js" */

const log = new EventLog(find("#log ol", HTMLOListElement), find("#log-clear", HTMLButtonElement));
const rest = new RestClient("");

/** Send time of each message by clientMessageId; both users share this page's clock, so delivery time can be measured. */
const sentAt = new Map();

/** @param {LoginAck} login */
async function start(login) {
  /** @type {SessionAck | Refused} */
  const session = await rest.post("/api/sessions", { userName: "Casey Customer" });
  if (!session.success) return showProblem(session.error.message);
  const { sessionId, conversationId } = session;
  if (!conversationId) return showProblem("The session has no conversation.");
  find("#credentials", HTMLFormElement).hidden = true;
  find("#panels", HTMLElement).hidden = find("#log-section", HTMLElement).hidden = false;
  find("#conversation", HTMLElement).textContent = `Conversation ${conversationId}`;

  const widget = new WidgetWebSocketHandler({ storage: null });
  widget.connect(sessionId, location.origin);
  let { token } = login;
  const agentRest = new RestClient("", () => ({ Authorization: `Bearer ${token}` }));
  const agent = new ChatClient({
    io: Reflect.get(globalThis, "io"),
    auth: () => ({ token }),
    renewToken: async () => {
      const reply = await agentRest.post("/api/auth/refresh");
      return reply.success ? (token = reply.token) : null;
    },
  });
  const main = find("#panels", HTMLElement);
  // The session was just created, so its conversation is empty and no history has to be loaded.
  new ParticipantPanel(main, "Customer", session.userName, widget.chat, conversationId, { log, sentAt });
  new ParticipantPanel(main, "Agent", login.user.userName, agent, conversationId, { log, sentAt });
  agent.connect();
}

/** @param {string} text */
function showProblem(text) {
  const line = document.querySelector("#credentials-problem");
  if (line && !find("#credentials", HTMLFormElement).hidden) line.textContent = text;
  else document.body.prepend(make("p", { class: "notice is-bad", role: "alert" }, text));
}

/**
 * @param {string} path
 * @param {object} body
 */
async function logIn(path, body) {
  try {
    /** @type {LoginAck | Refused} */
    const login = await rest.post(path, body);
    if (login.success) await start(login);
    else showProblem(login.error.message);
  } catch (failure) {
    showProblem(`The server cannot be reached (${failure instanceof Error ? failure.message : failure}).`);
  }
}

if (document.documentElement.dataset.mode === "dev") {
  void logIn("/api/dev/token", {});
} else {
  const form = find("#credentials", HTMLFormElement);
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void logIn("/api/auth/login", Object.fromEntries(new FormData(form)));
  });
}
