/** The list of conversations: newest first, with what is unread and who is there. */

/** @import {Conversation, ConversationList, InboxAck, Presence, Refused} from "../core/protocol.js" */

import { find, make } from "../ui/dom.js";
import { initialsOf, shortTimeOf } from "../ui/format.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Most conversations in one answer; the subscription's has as many. */
const PAGE = 100;

/** @type {Record<string, (conversation: Conversation, me: string) => boolean>} */
const FILTERS = {
  Open: ({ status }) => status !== "resolved",
  Mine: ({ assignee, status }, me) => assignee?.userId === me && status !== "resolved",
  Queue: ({ status }) => status === "queued",
  Resolved: ({ status }) => status === "resolved",
};

const STATUS_WORDS = { bot: "Bot", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" };

export class Inbox {
  /** @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** @type {Map<string, Presence["status"]>} */
  #presences = new Map();
  #marks;
  #filter = "Open";
  #openId = "";
  #me;
  #onOpen;
  #list = find("#list", HTMLUListElement);
  #more = find("#list-more", HTMLButtonElement);
  /** Leads to the next older page; null at the end. @type {string | null | undefined} */
  #cursor;
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();

  /**
   * @param {string} me
   * @param {(conversation: Conversation) => void} onOpen
   */
  constructor(me, onOpen) {
    this.#me = me;
    this.#onOpen = onOpen;
    this.#marks = new ReadMarks(me);
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
   * Take a conversation as it is now; true when somebody else said something new in it.
   * @param {Conversation} conversation
   */
  hear(conversation) {
    const before = this.#conversations.get(conversation.conversationId);
    // Two ways lead here, and the slower one must not win.
    if (before && (before.headSeq > conversation.headSeq || before.version > conversation.version)) return false;
    this.#conversations.set(conversation.conversationId, conversation);
    this.#render();
    const last = conversation.lastMessage;
    return last !== null && last.sender.userId !== this.#me && last.seq > (before?.headSeq ?? 0);
  }

  /** @param {Presence} presence */
  hearPresence(presence) {
    this.#presences.set(presence.userId, presence.status);
    this.#render();
  }

  /**
   * The agent has read a conversation up to `seq`.
   * @param {string} conversationId
   * @param {number} seq
   */
  read(conversationId, seq) {
    this.#marks.set(conversationId, seq);
    this.#render();
  }

  /** @param {InboxAck} inbox */
  #load(inbox) {
    this.#conversations = new Map(inbox.conversations.map((one) => [one.conversationId, one]));
    for (const presence of inbox.presence) this.#presences.set(presence.userId, presence.status);
    this.#cursor = undefined;
    this.#render();
    // The subscription's page may be cut short, and says nothing of what is older.
    void this.#loadOlder();
  }

  async #loadOlder() {
    this.#more.disabled = true;
    const query = { limit: PAGE, cursor: this.#cursor ?? undefined };
    /** @type {ConversationList | Refused | null} */
    const page = await adminWebSocket.chat.rest.get("/api/conversations", query).catch(() => null);
    this.#more.disabled = false;
    if (!page?.success) return;
    // The live ones are newer than any page.
    const older = page.conversations.filter((one) => !this.#conversations.has(one.conversationId));
    for (const one of older) this.#conversations.set(one.conversationId, one);
    this.#cursor = page.cursor;
    this.#more.hidden = page.cursor === null;
    this.#render();
  }

  #render() {
    const fits = FILTERS[this.#filter];
    const shown = [...this.#conversations.values()].filter((one) => fits(one, this.#me));
    shown.sort((one, other) => other.updatedAt.localeCompare(one.updatedAt));
    const rows = shown.map((one) => this.#row(one));
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.id : undefined;
    this.#list.replaceChildren(...rows);
    // Sorting moves rows; the one that had the focus keeps it.
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
    const said = make("span", { class: "row-said", dir: "auto" }, lastMessage?.content ?? "No message yet");
    const holder = assignee && status === "assigned" ? assignee.userName : STATUS_WORDS[status];
    const foot = make("span", { class: "row-foot" }, make("span", { class: "tag", "data-status": status }, holder));
    if (unread) foot.append(make("span", { class: "unread" }, String(unread), make("span", { class: "visually-hidden" }, " unread")));
    const avatar = make("span", { class: "avatar", "data-presence": presence, title: presence, "aria-hidden": "true" });
    avatar.append(initialsOf(customer.userName));
    const state = make("span", { class: "visually-hidden" }, presence);
    const button = find("button", HTMLButtonElement, row);
    button.replaceChildren(avatar, name, state, time, said, foot);
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

  /** What was said after the agent last read, unless the agent said it. @param {Conversation} conversation */
  #unread({ conversationId, headSeq, lastMessage }) {
    if (lastMessage?.sender.userId === this.#me) return 0;
    return Math.max(0, headSeq - this.#marks.get(conversationId));
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

/** How far this agent has read, kept by the browser: the inbox does not name read marks. */
class ReadMarks {
  #key;
  /** @type {Record<string, number>} */
  #marks;

  /** @param {string} userId */
  constructor(userId) {
    this.#key = `chatws.read.${userId}`;
    this.#marks = JSON.parse(localStorage.getItem(this.#key) ?? "{}");
  }

  /** @param {string} conversationId */
  get(conversationId) {
    return this.#marks[conversationId] ?? 0;
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   */
  set(conversationId, seq) {
    this.#marks[conversationId] = Math.max(seq, this.get(conversationId));
    localStorage.setItem(this.#key, JSON.stringify(this.#marks));
  }
}
