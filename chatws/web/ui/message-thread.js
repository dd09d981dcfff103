/** Message thread: messages in order, unsent own messages, typing line and read state. */

/** @import {HistoryAck, Message, Refused, TypingIndicator} from "../core/protocol.js" */
/** @import {PendingMessage, SendResult} from "../core/chat-client.js" */

import { bubble, daySeparator, showState } from "./bubble.js";
import { make } from "./dom.js";
import { formatText, texts } from "./texts.js";

/** Distance from the end within which the thread scrolls to new messages. */
const END_PX = 48;
/** Distance from the start within which older messages are loaded. */
const OLDER_PX = 300;
/** Error codes that a retry with the same content would receive again. */
const NOT_RETRYABLE = new Set(["bad_request", "too_large"]);
/** Consecutive messages of one sender within this time are grouped. */
const GROUP_MS = 5 * 60_000;

/**
 * @typedef {object} ThreadOptions
 * @property {string} label accessible name
 * @property {string} [empty] text shown without messages
 * @property {HTMLElement} [first] shown above the first message of the conversation
 * @property {() => string | undefined} me user id of the reader
 * @property {(beforeSeq: number) => Promise<HistoryAck | Refused>} older
 * @property {(content: string, clientMessageId: string) => void} send called to send a refused message again, under the
 *   same id, as it may be stored
 * @property {(seq: number) => void} read called when all messages up to `seq` were visible
 */

export class MessageThread {
  #options;
  #list = make("ol", { class: "messages" });
  #scroll;
  #typingLine = make("p", { class: "typing", role: "status" });
  #newMessagesButton = make("button", { class: "thread-new", type: "button", hidden: true });
  #empty;
  /** @type {Map<string, HTMLLIElement>} own messages whose broadcast has not arrived, by clientMessageId */
  #pending = new Map();
  /** @type {Map<string, string>} names of typing users by user id */
  #typing = new Map();
  /** @type {Map<string, number>} */
  #readMarks = new Map();
  #firstSeq = 0;
  #lastSeq = 0;
  #hasOlder = false;
  #loading = false;
  /** Number of calls of `reset`. */
  #resets = 0;
  #unseen = 0;
  /** The reader has seen the end, so that the thread scrolls to new messages. */
  #wasAtEnd = true;
  /** Height of the messages that the reader could scroll to, without those of a pending update. */
  #height = 0;
  /** Pending `#updateSoon`; 0 without one. */
  #frame = 0;

  /**
   * @param {HTMLElement} root
   * @param {ThreadOptions} options
   */
  constructor(root, options) {
    this.#options = options;
    this.#empty = make("p", { class: "thread-empty" }, options.empty ?? "");
    // role=log: screen readers announce added messages instead of the whole list.
    this.#scroll = make("div", { class: "thread-scroll", role: "log", tabindex: 0, "aria-label": options.label });
    this.#scroll.append(...(options.first ? [options.first] : [this.#empty]), this.#list);
    root.append(make("div", { class: "thread" }, this.#scroll, this.#newMessagesButton), this.#typingLine);
    this.#scroll.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#newMessagesButton.addEventListener("click", () => this.#scrollToEnd());
    document.addEventListener("visibilitychange", () => this.markSeen());
    new ResizeObserver(() => this.#unseen === 0 && this.#wasAtEnd && this.#scrollToEnd()).observe(this.#scroll);
  }

  get lastSeq() {
    return this.#lastSeq;
  }

  /**
   * Replace all messages by the newest page of a conversation.
   * @param {Message[]} messages
   * @param {boolean} hasOlder
   * @param {PendingMessage[]} pending
   */
  reset(messages, hasOlder, pending = []) {
    this.#resets += 1;
    this.#list.replaceChildren();
    this.#pending.clear();
    this.#typing.clear();
    this.#readMarks.clear();
    this.#firstSeq = messages[0]?.seq ?? 0;
    this.#lastSeq = this.#unseen = 0;
    this.#hasOlder = hasOlder;
    this.#renderTyping();
    for (const message of messages) this.#append(message);
    const stored = new Set(messages.map((message) => message.clientMessageId));
    for (const entry of pending) if (!stored.has(entry.clientMessageId)) this.queue(entry);
    this.#refresh();
    this.#scrollToEnd();
  }

  /**
   * Append a received message.
   * @param {Message} message
   */
  add(message) {
    if (message.seq <= this.#lastSeq) return;
    const pending = message.clientMessageId ? this.#pending.get(message.clientMessageId) : undefined;
    const own = message.sender.userId === this.#options.me();
    this.#wasAtEnd ||= own;
    pending?.remove();
    if (message.clientMessageId) this.#pending.delete(message.clientMessageId);
    this.#append(message);
    this.#firstSeq ||= message.seq;
    if (!this.#wasAtEnd) this.#unseen += 1;
    this.#updateSoon();
  }

  /**
   * Show an own message before its ack.
   * @param {PendingMessage} entry
   */
  queue(entry) {
    const item = bubble({ content: entry.content, side: "out", author: "", time: new Date().toISOString() });
    showState(item, "sending");
    this.#pending.set(entry.clientMessageId, item);
    this.#list.append(item);
    this.#refresh();
    this.#scrollToEnd();
  }

  /**
   * Show the result of sending an own message.
   * @param {SendResult} result
   */
  settle(result) {
    const item = this.#pending.get(result.clientMessageId);
    if (!item) return;
    // Its broadcast moves it to its place in the order.
    if (result.success) showState(item, "sent");
    else this.#showFailure(item, result);
  }

  /**
   * Show why a message was finally refused, with a button that sends it again.
   * @param {HTMLElement} item
   * @param {{clientMessageId: string, error: Refused["error"]}} result
   */
  #showFailure(item, { clientMessageId, error }) {
    showState(item, "failed", error.message);
    if (NOT_RETRYABLE.has(error.code)) return;
    const retry = make("button", { class: "message-retry", type: "button" }, texts.retry);
    retry.addEventListener("click", () => {
      item.remove();
      this.#pending.delete(clientMessageId);
      this.#options.send(item.querySelector(".message-text")?.textContent ?? "", clientMessageId);
    });
    item.querySelector(".message-meta")?.append(retry);
  }

  /** Show on unsent messages whether they are waiting for the connection. @param {boolean} offline */
  setOffline(offline) {
    for (const item of this.#pending.values()) {
      if (item.dataset.state === "sending" || item.dataset.state === "queued") showState(item, offline ? "queued" : "sending");
    }
  }

  /** @param {TypingIndicator} indicator */
  setTyping(indicator) {
    if (indicator.isTyping) this.#typing.set(indicator.userId, indicator.userName);
    else this.#typing.delete(indicator.userId);
    this.#renderTyping();
  }

  /**
   * Apply the read mark of another user.
   * @param {{userId: string, seq: number}} mark
   */
  applyReadMark({ userId, seq }) {
    if (userId === this.#options.me()) return;
    this.#readMarks.set(userId, Math.max(seq, this.#readMarks.get(userId) ?? 0));
    this.#refresh();
  }

  /** @param {Message} message */
  #append(message) {
    const previous = this.#lastItem();
    const item = this.#item(message, previous);
    if (isOtherDay(previous, item)) this.#list.append(daySeparator(message.timestamp));
    this.#list.append(item);
    // Unsent messages stay below stored ones.
    for (const item of this.#pending.values()) this.#list.append(item);
    this.#lastSeq = Math.max(this.#lastSeq, message.seq);
  }

  /**
   * @param {Message} message
   * @param {HTMLElement | null} previous
   */
  #item(message, previous) {
    const own = message.sender.userId === this.#options.me();
    const side = own ? "out" : message.sender.role === "bot" ? "bot" : "in";
    const { content, timestamp: time } = message;
    const item = bubble({ content, side, author: own ? "" : message.sender.userName, time });
    item.dataset.seq = String(message.seq);
    item.dataset.sender = message.sender.userId;
    item.classList.toggle("is-grouped", isGrouped(previous, item));
    return item;
  }

  #lastItem() {
    const items = this.#list.querySelectorAll(".message[data-seq]");
    return /** @type {HTMLElement | null} */ (items[items.length - 1] ?? null);
  }

  async #loadOlder() {
    if (this.#loading || !this.#hasOlder || this.#firstSeq <= 1) return;
    this.#loading = true;
    this.#scroll.setAttribute("aria-busy", "true");
    const resets = this.#resets;
    const page = await this.#options.older(this.#firstSeq).catch(() => null);
    this.#loading = false;
    this.#scroll.removeAttribute("aria-busy");
    // The page belongs before messages that may have been replaced meanwhile.
    if (page?.success && page.messages.length && resets === this.#resets) this.#prepend(page);
  }

  /** @param {HistoryAck} page */
  #prepend(page) {
    const before = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    const items = document.createDocumentFragment();
    /** @type {HTMLElement | null} */
    let previous = null;
    for (const message of page.messages) {
      const item = this.#item(message, previous);
      if (isOtherDay(previous, item)) items.append(daySeparator(message.timestamp));
      items.append(item);
      previous = item;
    }
    const first = this.#list.querySelector(".message");
    if (first instanceof HTMLElement && !isOtherDay(previous, first)) this.#list.querySelector(".day")?.remove();
    this.#list.prepend(items);
    this.#firstSeq = page.messages[0].seq;
    this.#hasOlder = page.hasMoreBefore;
    if (this.#options.first) this.#options.first.hidden = this.#hasOlder;
    this.#scroll.scrollTop = this.#scroll.scrollHeight - before;
  }

  /** Update the position and the states with the next frame: a layout after each of 200 messages takes seconds. */
  #updateSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#refresh();
      if (this.#wasAtEnd) this.#scrollToEnd();
    });
  }

  #onScroll() {
    if (!this.#frame) this.#height = this.#scroll.scrollHeight;
    this.#wasAtEnd = this.#height - this.#scroll.scrollTop - this.#scroll.clientHeight < END_PX;
    if (this.#scroll.scrollTop < OLDER_PX) void this.#loadOlder();
    if (this.#wasAtEnd) this.markSeen();
  }

  /** Report the messages as read if their end is visible. */
  markSeen() {
    if (document.hidden || !this.#isAtEnd()) return;
    this.#unseen = 0;
    this.#newMessagesButton.hidden = true;
    if (this.#lastSeq > 0) this.#options.read(this.#lastSeq);
  }

  #refresh() {
    this.#empty.hidden = this.#list.childElementCount > 0;
    if (this.#options.first) this.#options.first.hidden = this.#hasOlder;
    this.#newMessagesButton.hidden = this.#unseen === 0;
    this.#newMessagesButton.textContent = this.#unseen === 1 ? texts.newMessage : formatText("newMessages", { count: this.#unseen });
    const readUpTo = Math.max(0, ...this.#readMarks.values());
    const own = [...this.#list.querySelectorAll(".message.out[data-seq]")];
    const last = own.pop();
    for (const item of own) if (item instanceof HTMLElement && item.dataset.state) showState(item, null);
    if (last instanceof HTMLElement) showState(last, Number(last.dataset.seq) <= readUpTo ? "seen" : "sent");
  }

  #renderTyping() {
    const names = [...this.#typing.values()];
    const text = formatText(names.length > 1 ? "areTyping" : "isTyping", { names: names.join(", ") });
    this.#typingLine.textContent = names.length ? text : "";
    this.#typingLine.classList.toggle("is-active", names.length > 0);
  }

  #isAtEnd() {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < END_PX;
  }

  #scrollToEnd() {
    this.#height = this.#scroll.scrollHeight;
    this.#scroll.scrollTop = this.#height;
    this.#wasAtEnd = true;
    this.markSeen();
  }
}

/**
 * Whether `item` belongs to the same group as the message before it.
 * @param {HTMLElement | null} previous
 * @param {HTMLElement} item
 */
function isGrouped(previous, item) {
  if (!previous || previous.dataset.sender !== item.dataset.sender || isOtherDay(previous, item)) return false;
  return timeOf(item) - timeOf(previous) < GROUP_MS;
}

/**
 * @param {HTMLElement | null} previous
 * @param {HTMLElement} item
 */
function isOtherDay(previous, item) {
  return !previous || new Date(timeOf(previous)).toDateString() !== new Date(timeOf(item)).toDateString();
}

/** @param {HTMLElement} item */
const timeOf = (item) => Date.parse(item.dataset.time ?? "");
