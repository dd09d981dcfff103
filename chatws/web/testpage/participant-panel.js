/** Panel of the customer or the agent on the test page: conversation, connection state and statistics. */

/** @import {ChatClient} from "../core/chat-client.js" */
/** @import {EventLog} from "./event-log.js" */

import { Composer } from "../ui/composer.js";
import { make } from "../ui/dom.js";
import { durationOf, initialsOf } from "../ui/format.js";
import { showPresence, showStatus } from "../ui/status.js";
import { MessageThread } from "../ui/message-thread.js";

const OLDER_PAGE_SIZE = 100;

export class ParticipantPanel {
  #role;
  #chat;
  #log;
  #sentAt;
  #thread;
  #status = make("span", { class: "status", role: "status" });
  #presence = make("span", { class: "presence" });
  #cutButton = make("button", { class: "button button-small", type: "button", "aria-pressed": "false" });
  #stats = make("p", { class: "stats muted" });
  /** @type {number | null} */
  #deliveryMs = null;

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
    const panel = make("section", { class: "panel", "aria-label": role, "data-role": role.toLowerCase() });
    const title = make("h2", {}, role, " ", make("span", { class: "muted" }, name));
    const peerLabel = role === "Customer" ? "Agent: " : "Customer: ";
    const peer = make("p", { class: "panel-peer muted" }, peerLabel, this.#presence);
    const heading = make("div", { class: "panel-heading" }, title, peer);
    const header = make("header", { class: "panel-header" }, make("span", { class: "avatar", "aria-hidden": "true" }));
    header.firstElementChild?.append(initialsOf(name));
    header.append(heading, this.#status, this.#cutButton);
    panel.append(header);
    root.append(panel);
    this.#thread = new MessageThread(panel, {
      label: `${role}'s messages`,
      empty: "No messages yet. Write on either side.",
      me: () => chat.identity?.userId,
      older: (beforeSeq) => chat.history(conversationId, { beforeSeq, limit: OLDER_PAGE_SIZE }),
      send: (text, clientMessageId) => chat.send(conversationId, text, null, clientMessageId),
      read: (seq) => chat.markRead(conversationId, seq),
    });
    new Composer(panel, {
      label: `Message as ${role.toLowerCase()}`,
      onSend: (text) => chat.send(conversationId, text),
      onTyping: (isTyping) => chat.typing(conversationId, isTyping),
    });
    panel.append(this.#stats);
    this.#cutButton.addEventListener("click", () => this.#cut(this.#cutButton.getAttribute("aria-pressed") === "false"));
    this.#subscribe();
    this.#showCut(false);
    showStatus(this.#status, chat.state);
    showPresence(this.#presence, "offline");
    chat.join(conversationId, 0).catch((failure) => this.#logEvent("join failed", failure.message));
  }

  #subscribe() {
    const chat = this.#chat;
    chat.on("connection", (state, detail) => {
      showStatus(this.#status, state, detail);
      this.#thread.setOffline(state !== "connected");
      const wait = detail.delayMs ? `, next attempt in ${durationOf(detail.delayMs)}` : "";
      this.#logEvent(state, `${detail.reason}${wait}`);
      if (state !== "connected") showPresence(this.#presence, null);
    });
    chat.on("queued", (entry) => {
      this.#sentAt.set(entry.clientMessageId, performance.now());
      this.#thread.queue(entry);
      if (chat.state !== "connected") this.#thread.setOffline(true);
      this.#logEvent("send_message", `${entry.content.length} characters`);
    });
    chat.on("settled", (result) => {
      this.#thread.settle(result);
      this.#logEvent("ack", result.success ? `stored as #${result.seq}${result.duplicate ? ", duplicate" : ""}` : result.error.code);
    });
    chat.on("message", (message, { own, caughtUp }) => {
      const sentAt = this.#sentAt.get(message.clientMessageId ?? "");
      if (!own && sentAt !== undefined) this.#deliveryMs = performance.now() - sentAt;
      this.#thread.add(message);
      this.#logEvent("message_received", `#${message.seq} from ${message.sender.userName}${caughtUp ? ", caught up" : ""}`);
    });
    chat.on("reloaded", (_id, messages, hasOlder) => this.#thread.reset(messages, hasOlder, chat.pending));
    chat.on("joined", (ack, { again }) => this.#logEvent("joined", again ? `again, ${ack.messages.length} missed` : "first time"));
    chat.on("typing", (indicator) => {
      this.#thread.setTyping(indicator);
      this.#logEvent("typing_indicator", `${indicator.userName} ${indicator.isTyping ? "types" : "stopped"}`);
    });
    chat.on("presence", (presence) => {
      if (presence.userId === chat.identity?.userId) return;
      showPresence(this.#presence, presence.status);
      this.#logEvent("presence_update", presence.status);
    });
    chat.on("read", (mark) => {
      this.#thread.applyReadMark(mark);
      if (mark.userId !== chat.identity?.userId) this.#logEvent("message_read", `up to #${mark.seq}`);
    });
    chat.on("fallback", (active) => this.#logEvent("REST fallback", active ? "on" : "off"));
    chat.on("error", (failed) => this.#logEvent("error", `${failed.code}: ${failed.message}`));
  }

  /** @param {boolean} cut */
  #cut(cut) {
    this.#logEvent(cut ? "connection cut" : "connection restored", "by the user");
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
  #logEvent(event, detail) {
    this.#log.add(this.#role, event, detail);
    const { lastAckMs, pending, reconnects } = this.#chat.stats();
    const parts = [
      `last ack ${lastAckMs === null ? "–" : durationOf(lastAckMs)}`,
      `last arrival ${this.#deliveryMs === null ? "–" : durationOf(this.#deliveryMs)}`,
      `${pending} waiting`,
      `${reconnects} reconnections`,
    ];
    this.#stats.textContent = parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
  }
}
