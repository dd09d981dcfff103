/** The test page: a customer and an agent in one conversation, with everything that happens between them written down. */

import { ChatClient } from "../core/chat.js";
import { Rest } from "../core/rest.js";
import { find, make } from "../ui/dom.js";
import { WidgetWebSocketHandler } from "../widget/websocket-handler.js";
import { EventLog } from "./log.js";
import { Side } from "./side.js";

/** @import {LoginAck, Refused, SessionAck} from "../core/protocol.js" */

const log = new EventLog(find("#log ol", HTMLOListElement), find("#log-clear", HTMLButtonElement));
const rest = new Rest("");

/** When each message left its sender, by clientMessageId: both sides live here, so one clock measures the way. */
const sentAt = new Map();

/** @param {LoginAck} login */
async function start(login) {
  /** @type {SessionAck | Refused} */
  const session = await rest.post("/api/sessions", { userName: "Casey Customer" });
  if (!session.success) return problem(session.error.message);
  const { sessionId, conversationId } = session;
  if (!conversationId) return problem("the session has no conversation");
  find("#credentials", HTMLFormElement).hidden = true;
  find("#sides", HTMLElement).hidden = find("#log-section", HTMLElement).hidden = false;
  find("#conversation", HTMLElement).textContent = `Conversation ${conversationId}`;

  const widget = new WidgetWebSocketHandler({ storage: null });
  widget.connect(sessionId, location.origin);
  let { token } = login;
  const renewed = new Rest("", () => ({ Authorization: `Bearer ${token}` }));
  const agent = new ChatClient({
    io: Reflect.get(globalThis, "io"),
    auth: () => ({ token }),
    renewToken: async () => {
      const reply = await renewed.post("/api/auth/refresh");
      return reply.success ? (token = reply.token) : null;
    },
  });
  const main = find("#sides", HTMLElement);
  // The page asks for fresh people each time, so the conversation begins empty: nothing has to be loaded first.
  new Side(main, "Customer", session.userName, widget.chat, conversationId, { log, sentAt });
  new Side(main, "Agent", login.user.userName, agent, conversationId, { log, sentAt });
  agent.connect();
}

/** @param {string} text */
function problem(text) {
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
    else problem(login.error.message);
  } catch (failure) {
    problem(`The server cannot be reached (${failure instanceof Error ? failure.message : failure}).`);
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
