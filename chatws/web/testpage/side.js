/** One side of the test page: a person's window on the conversation, with the numbers behind it. */

/** @import {ChatClient} from "../core/chat.js" */
/** @import {EventLog} from "./log.js" */

import { Composer } from "../ui/composer.js";
import { make } from "../ui/dom.js";
import { durationOf, initialsOf } from "../ui/format.js";
import { showPresence, showStatus } from "../ui/status.js";
import { Thread } from "../ui/thread.js";

const OLDER_PAGE = 100;

export class Side {
  #role;
  #chat;
  #log;
  #sentAt;
  #thread;
  #status = make("span", { class: "status", role: "status" });
  #presence = make("span", { class: "presence" });
  #cutButton = make("button", { class: "button button-small", type: "button", "aria-pressed": "false" });
  #numbers = make("p", { class: "numbers muted" });
  /** @type {number | null} */
  #arrivedAfterMs = null;

  /**
   * @param {HTMLElement} root
   * @param {"Customer" | "Agent"} role
   * @param {string} name
   * @param {ChatClient} chat
   * @param {string} conversationId
   * @param {{log: EventLog, sentAt: Map<string, number>}} shared
   */
  constructor(root, role, name, chat, conversationId, { log, sentAt }) {
    this.#role = role;
    this.#chat = chat;
    this.#log = log;
    this.#sentAt = sentAt;
    const panel = make("section", { class: "side", "aria-label": role, "data-role": role.toLowerCase() });
    const title = make("h2", {}, role, " ", make("span", { class: "muted" }, name));
    const others = role === "Customer" ? "Agent: " : "Customer: ";
    const who = make("p", { class: "side-other muted" }, others, this.#presence);
    const heading = make("div", { class: "side-heading" }, title, who);
    const head = make("header", { class: "side-header" }, make("span", { class: "avatar", "aria-hidden": "true" }));
    head.firstElementChild?.append(initialsOf(name));
    head.append(heading, this.#status, this.#cutButton);
    panel.append(head);
    root.append(panel);
    this.#thread = new Thread(panel, {
      label: `${role}'s messages`,
      empty: "Nothing said yet. Write on either side.",
      me: () => chat.identity?.userId,
      older: (beforeSeq) => chat.history(conversationId, { beforeSeq, limit: OLDER_PAGE }),
      send: (text) => chat.send(conversationId, text),
      read: (seq) => chat.markRead(conversationId, seq),
    });
    new Composer(panel, {
      label: `Message as ${role.toLowerCase()}`,
      onSend: (text) => chat.send(conversationId, text),
      onTyping: (isTyping) => chat.typing(conversationId, isTyping),
    });
    panel.append(this.#numbers);
    this.#cutButton.addEventListener("click", () => this.#cut(this.#cutButton.getAttribute("aria-pressed") === "false"));
    this.#listen();
    this.#showCut(false);
    showStatus(this.#status, chat.state);
    showPresence(this.#presence, "offline");
    chat.join(conversationId, 0).catch((failure) => this.#write("join failed", failure.message));
  }

  #listen() {
    const chat = this.#chat;
    chat.on("connection", (state, detail) => {
      showStatus(this.#status, state, detail);
      this.#thread.offline(state !== "connected");
      const wait = detail.delayMs ? `, next attempt in ${durationOf(detail.delayMs)}` : "";
      this.#write(state, `${detail.reason}${wait}`);
      if (state !== "connected") showPresence(this.#presence, null);
    });
    chat.on("queued", (entry) => {
      this.#sentAt.set(entry.clientMessageId, performance.now());
      this.#thread.queue(entry);
      if (chat.state !== "connected") this.#thread.offline(true);
      this.#write("send_message", `${entry.content.length} characters`);
    });
    chat.on("settled", (result) => {
      this.#thread.settle(result);
      this.#write("ack", result.success ? `stored as #${result.seq}${result.duplicate ? ", duplicate" : ""}` : result.error.code);
    });
    chat.on("message", (message, { own, caughtUp }) => {
      const sentAt = this.#sentAt.get(message.clientMessageId ?? "");
      if (!own && sentAt !== undefined) this.#arrivedAfterMs = performance.now() - sentAt;
      this.#thread.add(message);
      this.#write("message_received", `#${message.seq} from ${message.sender.userName}${caughtUp ? ", caught up" : ""}`);
    });
    chat.on("reloaded", (_id, messages, hasOlder) => this.#thread.reset(messages, hasOlder, chat.pending));
    chat.on("joined", (ack, { again }) => this.#write("joined", again ? `again, ${ack.messages.length} missed` : "first time"));
    chat.on("typing", (indicator) => {
      this.#thread.typing(indicator);
      this.#write("typing_indicator", `${indicator.userName} ${indicator.isTyping ? "types" : "stopped"}`);
    });
    chat.on("presence", (presence) => {
      if (presence.userId === chat.identity?.userId) return;
      showPresence(this.#presence, presence.status);
      this.#write("presence_update", presence.status);
    });
    chat.on("read", (mark) => {
      this.#thread.mark(mark);
      if (mark.userId !== chat.identity?.userId) this.#write("message_read", `up to #${mark.seq}`);
    });
    chat.on("fallback", (active) => this.#write("REST fallback", active ? "on" : "off"));
    chat.on("error", (failed) => this.#write("error", `${failed.code}: ${failed.message}`));
  }

  /** @param {boolean} cut */
  #cut(cut) {
    this.#write(cut ? "connection cut" : "connection restored", "by hand");
    if (cut) this.#chat.suspend();
    else this.#chat.resume();
    this.#showCut(cut);
  }

  /** @param {boolean} cut */
  #showCut(cut) {
    this.#cutButton.setAttribute("aria-pressed", String(cut));
    this.#cutButton.textContent = cut ? "Restore connection" : "Cut connection";
  }

  /**
   * @param {string} event
   * @param {string} detail
   */
  #write(event, detail) {
    this.#log.add(this.#role, event, detail);
    const { lastAckMs, pending, reconnects } = this.#chat.stats();
    const parts = [
      `last ack ${lastAckMs === null ? "–" : durationOf(lastAckMs)}`,
      `last arrival ${this.#arrivedAfterMs === null ? "–" : durationOf(this.#arrivedAfterMs)}`,
      `${pending} waiting`,
      `${reconnects} reconnections`,
    ];
    this.#numbers.textContent = parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
  }
}
