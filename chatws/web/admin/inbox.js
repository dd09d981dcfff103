/** List of conversations, newest first, with unread counts and presence. */

/** @import {Conversation, ConversationList, InboxAck, Presence, Refused} from "../core/protocol.js" */

import { find, make } from "../ui/dom.js";
import { initialsOf, shortTimeOf } from "../ui/format.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Maximum page size, also that of the subscription's reply. */
const PAGE_SIZE = 100;

/** @type {Record<string, (conversation: Conversation, userId: string) => boolean>} */
const FILTERS = {
  Open: ({ status }) => status !== "resolved",
  Mine: ({ assignee, status }, userId) => assignee?.userId === userId && status !== "resolved",
  Queue: ({ status }) => status === "queued",
  Resolved: ({ status }) => status === "resolved",
};

const STATUS_LABELS = { bot: "Bot", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" };

export class Inbox {
  /** @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** @type {Map<string, Presence["status"]>} */
  #presences = new Map();
  #readMarks;
  #filter = "Open";
  #openId = "";
  #userId;
  #onOpen;
  #list = find("#list", HTMLUListElement);
  #more = find("#list-more", HTMLButtonElement);
  /** Cursor of the next older page; null after the last one. @type {string | null | undefined} */
  #cursor;
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();

  /**
   * @param {string} userId the agent
   * @param {(conversation: Conversation) => void} onOpen
   */
  constructor(userId, onOpen) {
    this.#userId = userId;
    this.#onOpen = onOpen;
    this.#readMarks = new ReadMarks(userId);
    const filters = find("#filters", HTMLElement);
    filters.replaceChildren(...Object.keys(FILTERS).map((name) => this.#filterButton(name)));
    this.#more.onclick = () => void this.#loadOlder();
    adminWebSocket.onInbox((inbox) => this.#load(inbox));
  }

  /** @param {string} userId */
  presenceOf(userId) {
    return this.#presences.get(userId) ?? "offline";
  }

  /**
   * Apply a changed conversation; return true if it has a new message from another user.
   * @param {Conversation} conversation
   */
  update(conversation) {
    const before = this.#conversations.get(conversation.conversationId);
    // Updates arrive from events and replies in any order: ignore an older state.
    if (before && (before.headSeq > conversation.headSeq || before.version > conversation.version)) return false;
    this.#conversations.set(conversation.conversationId, conversation);
    this.#render();
    const last = conversation.lastMessage;
    return last !== null && last.sender.userId !== this.#userId && last.seq > (before?.headSeq ?? 0);
  }

  /** @param {Presence} presence */
  updatePresence(presence) {
    this.#presences.set(presence.userId, presence.status);
    this.#render();
  }

  /**
   * Record that the agent has read a conversation up to `seq`.
   * @param {string} conversationId
   * @param {number} seq
   */
  read(conversationId, seq) {
    this.#readMarks.set(conversationId, seq);
    this.#render();
  }

  /** @param {InboxAck} inbox */
  #load(inbox) {
    this.#conversations = new Map(inbox.conversations.map((one) => [one.conversationId, one]));
    for (const presence of inbox.presence) this.#presences.set(presence.userId, presence.status);
    this.#cursor = undefined;
    this.#render();
    // The subscription's page may be incomplete and has no cursor to older conversations.
    void this.#loadOlder();
  }

  async #loadOlder() {
    this.#more.disabled = true;
    const query = { limit: PAGE_SIZE, cursor: this.#cursor ?? undefined };
    /** @type {ConversationList | Refused | null} */
    const page = await adminWebSocket.chat.rest.get("/api/conversations", query).catch(() => null);
    this.#more.disabled = false;
    if (!page?.success) return;
    // Conversations received as events are newer than any page.
    const older = page.conversations.filter((one) => !this.#conversations.has(one.conversationId));
    for (const one of older) this.#conversations.set(one.conversationId, one);
    this.#cursor = page.cursor;
    this.#more.hidden = page.cursor === null;
    this.#render();
  }

  #render() {
    const matches = FILTERS[this.#filter];
    const shown = [...this.#conversations.values()].filter((one) => matches(one, this.#userId));
    shown.sort((one, other) => other.updatedAt.localeCompare(one.updatedAt));
    const rows = shown.map((one) => this.#row(one));
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.id : undefined;
    this.#list.replaceChildren(...rows);
    // Replacing the rows removes the focus: restore it.
    if (focused) this.#list.querySelector(`[data-id="${focused}"]`)?.dispatchEvent(new Event("refocus"));
    find("#list-empty", HTMLElement).hidden = shown.length > 0;
  }

  /** @param {Conversation} conversation */
  #row(conversation) {
    const { conversationId, customer, lastMessage, status, assignee, updatedAt } = conversation;
    const row = this.#rows.get(conversationId) ?? this.#newRow(conversationId);
    const unread = this.#unread(conversation);
    const presence = this.presenceOf(customer.userId);
    const name = make("span", { class: "row-name", dir: "auto" }, customer.userName);
    const time = make("time", { class: "row-time", datetime: updatedAt }, shortTimeOf(updatedAt));
    const preview = make("span", { class: "row-preview", dir: "auto" }, lastMessage?.content ?? "No message yet");
    const tag = assignee && status === "assigned" ? assignee.userName : STATUS_LABELS[status];
    const footer = make("span", { class: "row-footer" }, make("span", { class: "tag", "data-status": status }, tag));
    if (unread) footer.append(make("span", { class: "unread" }, String(unread), make("span", { class: "visually-hidden" }, " unread")));
    const avatar = make("span", { class: "avatar", "data-presence": presence, title: presence, "aria-hidden": "true" });
    avatar.append(initialsOf(customer.userName));
    const state = make("span", { class: "visually-hidden" }, presence);
    const button = find("button", HTMLButtonElement, row);
    button.replaceChildren(avatar, name, state, time, preview, footer);
    button.setAttribute("aria-current", String(conversationId === this.#openId));
    button.classList.toggle("has-unread", unread > 0);
    return row;
  }

  /** @param {string} conversationId */
  #newRow(conversationId) {
    const button = make("button", { type: "button", class: "row", "data-id": conversationId });
    button.addEventListener("refocus", () => button.focus());
    button.addEventListener("click", () => {
      const conversation = this.#conversations.get(conversationId);
      if (!conversation) return;
      this.#openId = conversationId;
      this.#render();
      this.#onOpen(conversation);
    });
    const row = make("li", {}, button);
    this.#rows.set(conversationId, row);
    return row;
  }

  /** Count the messages after the agent's read mark; none if the agent sent the last one. @param {Conversation} conversation */
  #unread({ conversationId, headSeq, lastMessage }) {
    if (lastMessage?.sender.userId === this.#userId) return 0;
    return Math.max(0, headSeq - this.#readMarks.get(conversationId));
  }

  /** @param {string} name */
  #filterButton(name) {
    const button = make("button", { type: "button", class: "filter", "aria-pressed": String(name === this.#filter) }, name);
    button.addEventListener("click", () => {
      this.#filter = name;
      for (const other of button.parentElement?.children ?? []) other.setAttribute("aria-pressed", String(other === button));
      this.#render();
    });
    return button;
  }
}

/** Read marks of the agent, stored in the browser because the inbox replies do not contain them. */
class ReadMarks {
  #key;
  /** @type {Record<string, number>} */
  #readMarks;

  /** @param {string} userId */
  constructor(userId) {
    this.#key = `chatws.read.${userId}`;
    this.#readMarks = JSON.parse(localStorage.getItem(this.#key) ?? "{}");
  }

  /** @param {string} conversationId */
  get(conversationId) {
    return this.#readMarks[conversationId] ?? 0;
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   */
  set(conversationId, seq) {
    this.#readMarks[conversationId] = Math.max(seq, this.get(conversationId));
    localStorage.setItem(this.#key, JSON.stringify(this.#readMarks));
  }
}
