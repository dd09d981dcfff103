/** List of conversations, newest first, with filters, unread counts and presence. */

/** @import {Conversation, ConversationAck, ConversationList, InboxAck, Presence} from "../core/protocol.js" */
/** @import {Refused, SearchHit} from "../core/protocol.js" */

import { find } from "../ui/dom.js";
import { AttentionList } from "./attention.js";
import { Filters } from "./filters.js";
import { fillRow, makeRow } from "./inbox-row.js";
import { moveFocus } from "./move-focus.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Maximum page size, also that of the subscription's reply. */
const PAGE_SIZE = 100;
/** Distance from the end of the list within which older conversations are loaded. */
const OLDER_PX = 400;

export class Inbox {
  /** @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** @type {Map<string, Presence["status"]>} */
  #presences = new Map();
  #attention;
  #filters;
  /** Found conversations, shown instead of the chosen filter's; null without a search. @type {SearchHit[] | null} */
  #hits = null;
  #openId = "";
  #userId;
  #callbacks;
  #list = find("#list", HTMLUListElement);
  #more = find("#list-more", HTMLButtonElement);
  /** Whether the agent has scrolled to the end while a page was loading. */
  #isEndReached = false;
  /** Cursor of the next older page; null after the last one. @type {string | null | undefined} */
  #cursor;
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();

  /**
   * @param {string} userId the agent
   * @param {{onOpen: (conversationId: string) => void, onUnread: (conversations: number) => void}} callbacks
   */
  constructor(userId, callbacks) {
    this.#userId = userId;
    this.#callbacks = callbacks;
    this.#attention = new AttentionList(userId);
    this.#filters = new Filters(userId, () => this.#render());
    this.#more.onclick = () => void this.#loadOlder();
    this.#list.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#list.addEventListener("keydown", (event) => moveFocus(event, this.#buttons()));
    adminWebSocket.onInbox((inbox) => this.#load(inbox));
    adminWebSocket.onMessageRead((mark) => mark.userId === userId && this.read(mark.conversationId, mark.seq));
  }

  /** @param {string} userId */
  presenceOf(userId) {
    return this.#presences.get(userId) ?? "offline";
  }

  /**
   * Return a conversation, from the server if it is not in the list; null if it does not exist.
   * @param {string} conversationId
   * @throws {ServerUnreachable}
   */
  async find(conversationId) {
    const known = this.#conversations.get(conversationId);
    if (known) return known;
    /** @type {ConversationAck | Refused} */
    const reply = await adminWebSocket.chat.rest.get(`/api/conversations/${conversationId}`);
    return reply.success ? reply.conversation : null;
  }

  /** Mark the row of the open conversation. @param {string} conversationId empty if none is open */
  select(conversationId) {
    this.#openId = conversationId;
    this.#render();
    this.#button(conversationId)?.scrollIntoView({ block: "nearest" });
  }

  /**
   * Show a notice about the bot until the conversation's status changes.
   * @param {string} conversationId
   * @param {string} notice
   */
  setNotice(conversationId, notice) {
    this.#attention.setNotice(conversationId, notice);
    this.#render();
  }

  /** Show found conversations instead of the chosen filter's. @param {SearchHit[] | null} hits null to end the search */
  showHits(hits) {
    this.#hits = hits;
    this.#render();
  }

  /** Move the focus to the row of the open conversation, or to the first row. */
  focus() {
    (this.#button(this.#openId) ?? this.#buttons()[0])?.focus();
  }

  /**
   * Return the id of the conversation below (1) or above (-1) the open one; empty at the end of the list.
   * @param {1 | -1} step
   */
  neighbour(step) {
    const buttons = this.#buttons();
    const index = buttons.findIndex((button) => button.dataset.id === this.#openId);
    return buttons[index === -1 && step === -1 ? -1 : index + step]?.dataset.id ?? "";
  }

  /**
   * Apply a changed conversation; return true if the agent has to be notified: a customer wrote, or the bot handed off.
   * @param {Conversation} conversation
   */
  update(conversation) {
    const { conversationId, headSeq, version, lastMessage, status } = conversation;
    const before = this.#conversations.get(conversationId);
    // Updates arrive from events and replies in any order: ignore an older state.
    if (before && (before.headSeq > headSeq || before.version > version)) return false;
    // A conversation that is not listed is new, or on an older page, and then has one new message.
    const headBefore = before?.headSeq ?? (this.#cursor ? headSeq - 1 : 0);
    this.#conversations.set(conversationId, conversation);
    this.#attention.update(conversation, headBefore);
    if (before && before.version !== version) this.#attention.setNotice(conversationId, "");
    this.#render();
    const isHandedOff = before?.status === "bot" && status === "queued";
    return isHandedOff || (headSeq > headBefore && lastMessage?.sender.role === "customer" && this.#concernsAgent(conversation));
  }

  /** @param {Presence} presence */
  updatePresence(presence) {
    this.#presences.set(presence.userId, presence.status);
    this.#render();
  }

  /**
   * Apply the agent's read mark.
   * @param {string} conversationId
   * @param {number} seq
   */
  read(conversationId, seq) {
    const conversation = this.#conversations.get(conversationId);
    if (!conversation) return;
    this.#attention.read(conversationId, seq, conversation.headSeq);
    this.#render();
  }

  /** @param {InboxAck} inbox */
  #load(inbox) {
    this.#conversations = new Map(inbox.conversations.map((one) => [one.conversationId, one]));
    this.#attention.load(inbox.conversations, inbox.entries ?? []);
    for (const presence of inbox.presence) this.#presences.set(presence.userId, presence.status);
    this.#cursor = undefined;
    this.#render();
    // The subscription's page may be incomplete and has no cursor to older conversations.
    void this.#loadOlder();
  }

  async #loadOlder() {
    this.#more.disabled = true;
    this.#isEndReached = false;
    const extended = this.#conversations;
    const query = { limit: PAGE_SIZE, cursor: this.#cursor ?? undefined };
    /** @type {ConversationList | Refused | null} */
    const page = await adminWebSocket.chat.rest.get("/api/conversations", query).catch(() => null);
    // A reconnect has replaced the list meanwhile, and loads its first page.
    if (extended !== this.#conversations) return;
    this.#more.disabled = false;
    if (!page?.success) return;
    // Conversations received as events are newer than any page.
    const older = page.conversations.filter((one) => !this.#conversations.has(one.conversationId));
    const added = new Set(older.map((one) => one.conversationId));
    for (const one of older) this.#conversations.set(one.conversationId, one);
    this.#attention.load(older, (page.entries ?? []).filter((entry) => added.has(entry.conversationId)));
    this.#cursor = page.cursor;
    this.#more.hidden = page.cursor === null;
    this.#render();
    if (this.#isEndReached) this.#onScroll();
  }

  #render() {
    const all = [...this.#conversations.values()];
    const filtered = this.#filters.apply(all, !this.#cursor);
    filtered.sort((one, other) => other.updatedAt.localeCompare(one.updatedAt));
    const shown = this.#hits?.map(({ conversation }) => this.#conversations.get(conversation.conversationId) ?? conversation) ?? filtered;
    arrange(this.#list, shown.map((one) => this.#row(one)));
    const empty = find("#list-empty", HTMLElement);
    empty.hidden = shown.length > 0;
    empty.textContent = this.#hits ? "Nothing found." : this.#filters.emptyText;
    this.#filters.show(this.#hits);
    const unread = all.filter((one) => this.#concernsAgent(one) && this.#attention.of(one.conversationId).unread);
    this.#callbacks.onUnread(unread.length);
  }

  #onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < OLDER_PX;
    if (!isAtEnd || this.#hits) return;
    if (this.#more.disabled) this.#isEndReached = true;
    else if (this.#cursor) void this.#loadOlder();
  }

  /** @param {Conversation} conversation */
  #row(conversation) {
    const { conversationId, customer } = conversation;
    const row = this.#rows.get(conversationId) ?? makeRow(conversationId, () => this.#callbacks.onOpen(conversationId));
    this.#rows.set(conversationId, row);
    const found = this.#hits?.find((hit) => hit.conversation.conversationId === conversationId);
    const presence = this.presenceOf(customer.userId);
    const isOpen = conversationId === this.#openId;
    const state = { presence, isOpen, isFound: found !== undefined, message: found?.message ?? conversation.lastMessage };
    fillRow(row, conversation, this.#attention.of(conversationId), state);
    return row;
  }

  /** Whether a conversation waits for this agent: it is in the queue or theirs. @param {Conversation} conversation */
  #concernsAgent({ status, assignee }) {
    return status === "queued" || (status === "assigned" && assignee?.userId === this.#userId);
  }

  #buttons() {
    return [...this.#list.querySelectorAll("button")];
  }

  /** @param {string} conversationId */
  #button(conversationId) {
    const button = this.#rows.get(conversationId)?.querySelector("button");
    return button?.isConnected ? button : undefined;
  }
}

/**
 * Make the rows the only children of a list, in this order, and move only those that have changed their place.
 * @param {HTMLUListElement} list
 * @param {HTMLLIElement[]} rows
 */
function arrange(list, rows) {
  const focused = document.activeElement;
  const kept = new Set(rows);
  for (const child of [...list.children]) if (!kept.has(/** @type {HTMLLIElement} */ (child))) child.remove();
  let next = list.firstElementChild;
  for (const row of rows) {
    if (row === next) next = row.nextElementSibling;
    else list.insertBefore(row, next);
  }
  // Moving a row removes the focus: restore it.
  if (focused instanceof HTMLElement && focused !== document.activeElement && list.contains(focused)) focused.focus();
}
