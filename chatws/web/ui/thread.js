/** A conversation on the screen: messages in order, own ones on their way, who types, what was read. */

/** @import {HistoryAck, Message, Refused, TypingIndicator} from "../core/protocol.js" */
/** @import {Pending, SendResult} from "../core/chat.js" */

import { bubble, dayLine, showState } from "./bubble.js";
import { make } from "./dom.js";

/** Within so many pixels of its end the thread follows new messages. */
const END_PX = 48;
/** Older messages are asked for when the reader is this near to the first. */
const OLDER_PX = 300;
/** Refusals that the same content would only meet again. */
const HOPELESS = new Set(["bad_request", "too_large"]);
/** Messages of one sender within this time stand together. */
const GROUP_MS = 5 * 60_000;

/**
 * @typedef {object} ThreadOptions
 * @property {string} label for people who do not see it
 * @property {string} empty shown while there is no message
 * @property {() => string | undefined} me the reader's user id
 * @property {(beforeSeq: number) => Promise<HistoryAck | Refused>} older
 * @property {(content: string) => void} send
 * @property {(seq: number) => void} read the reader has seen everything up to here
 */

export class Thread {
  #options;
  #list = make("ol", { class: "messages" });
  #scroll;
  #typingLine = make("p", { class: "typing", role: "status" });
  #newButton = make("button", { class: "thread-new", type: "button", hidden: true });
  #empty;
  /** @type {Map<string, HTMLLIElement>} own messages without an answer yet, by clientMessageId */
  #waiting = new Map();
  /** @type {Map<string, string>} names by user id */
  #typing = new Map();
  /** @type {Map<string, number>} */
  #marks = new Map();
  #firstSeq = 0;
  #lastSeq = 0;
  #hasOlder = false;
  #loading = false;
  #unseen = 0;
  #wasAtEnd = true;

  /**
   * @param {HTMLElement} root
   * @param {ThreadOptions} options
   */
  constructor(root, options) {
    this.#options = options;
    this.#empty = make("p", { class: "thread-empty" }, options.empty);
    // What is announced is what is added; the list itself must not be read again.
    this.#scroll = make("div", { class: "thread-scroll", role: "log", tabindex: 0, "aria-label": options.label });
    this.#scroll.append(this.#empty, this.#list);
    root.append(make("div", { class: "thread" }, this.#scroll, this.#newButton), this.#typingLine);
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#newButton.addEventListener("click", () => this.#toEnd());
    document.addEventListener("visibilitychange", () => this.#seen());
    new ResizeObserver(() => this.#unseen === 0 && this.#wasAtEnd && this.#toEnd()).observe(this.#scroll);
  }

  get lastSeq() {
    return this.#lastSeq;
  }

  /**
   * Show a conversation from its newest page on; whatever was shown before is gone.
   * @param {Message[]} messages
   * @param {boolean} hasOlder
   * @param {Pending[]} pending
   */
  reset(messages, hasOlder, pending = []) {
    this.#list.replaceChildren();
    this.#waiting.clear();
    this.#typing.clear();
    this.#marks.clear();
    this.#firstSeq = messages[0]?.seq ?? 0;
    this.#lastSeq = this.#unseen = 0;
    this.#hasOlder = hasOlder;
    this.#showTyping();
    for (const message of messages) this.#append(message);
    const stored = new Set(messages.map((message) => message.clientMessageId));
    for (const entry of pending) if (!stored.has(entry.clientMessageId)) this.queue(entry);
    this.#refresh();
    this.#toEnd();
  }

  /**
   * Add a message that arrived.
   * @param {Message} message
   */
  add(message) {
    if (message.seq <= this.#lastSeq) return;
    const waiting = message.clientMessageId ? this.#waiting.get(message.clientMessageId) : undefined;
    const own = message.sender.userId === this.#options.me();
    const follow = own || this.#isAtEnd();
    waiting?.remove();
    if (message.clientMessageId) this.#waiting.delete(message.clientMessageId);
    this.#append(message);
    this.#firstSeq ||= message.seq;
    if (!follow) this.#unseen += 1;
    this.#refresh();
    if (follow) this.#toEnd();
  }

  /**
   * Show an own message before the server has answered.
   * @param {Pending} entry
   */
  queue(entry) {
    const item = bubble({ content: entry.content, side: "out", author: "", time: new Date().toISOString() });
    showState(item, "sending");
    this.#waiting.set(entry.clientMessageId, item);
    this.#list.append(item);
    this.#refresh();
    this.#toEnd();
  }

  /**
   * Say of an own message that it is stored, or why not.
   * @param {SendResult} result
   */
  settle(result) {
    const item = this.#waiting.get(result.clientMessageId);
    if (!item) return;
    // It takes its place among the others when its echo comes, which keeps their order.
    if (result.success) showState(item, "sent");
    else this.#fail(item, result);
  }

  /**
   * Say why a message was refused for good; a click sends it as a new one.
   * @param {HTMLElement} item
   * @param {{clientMessageId: string, error: Refused["error"]}} result
   */
  #fail(item, { clientMessageId, error }) {
    showState(item, "failed", error.message);
    if (HOPELESS.has(error.code)) return;
    const again = make("button", { class: "message-again", type: "button" }, "Send again");
    again.addEventListener("click", () => {
      item.remove();
      this.#waiting.delete(clientMessageId);
      this.#options.send(item.querySelector(".message-text")?.textContent ?? "");
    });
    item.querySelector(".message-meta")?.append(again);
  }

  /** Say of messages that wait whether they wait for the connection. @param {boolean} offline */
  offline(offline) {
    for (const item of this.#waiting.values()) {
      if (item.dataset.state === "sending" || item.dataset.state === "queued") showState(item, offline ? "queued" : "sending");
    }
  }

  /** @param {TypingIndicator} indicator */
  typing(indicator) {
    if (indicator.isTyping) this.#typing.set(indicator.userId, indicator.userName);
    else this.#typing.delete(indicator.userId);
    this.#showTyping();
  }

  /**
   * Somebody else has read up to `seq`.
   * @param {{userId: string, seq: number}} mark
   */
  mark({ userId, seq }) {
    if (userId === this.#options.me()) return;
    this.#marks.set(userId, Math.max(seq, this.#marks.get(userId) ?? 0));
    this.#refresh();
  }

  /** @param {Message} message */
  #append(message) {
    const previous = this.#lastItem();
    const item = this.#item(message, previous);
    if (isOtherDay(previous, item)) this.#list.append(dayLine(message.timestamp));
    this.#list.append(item);
    // What still waits stays below what is stored.
    for (const waiting of this.#waiting.values()) this.#list.append(waiting);
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
    item.classList.toggle("follows", follows(previous, item));
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
    const page = await this.#options.older(this.#firstSeq).catch(() => null);
    this.#loading = false;
    this.#scroll.removeAttribute("aria-busy");
    if (page?.success && page.messages.length) this.#prepend(page);
  }

  /** @param {HistoryAck} page */
  #prepend(page) {
    const before = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    const items = document.createDocumentFragment();
    /** @type {HTMLElement | null} */
    let previous = null;
    for (const message of page.messages) {
      const item = this.#item(message, previous);
      if (isOtherDay(previous, item)) items.append(dayLine(message.timestamp));
      items.append(item);
      previous = item;
    }
    const first = this.#list.querySelector(".message");
    if (first instanceof HTMLElement && !isOtherDay(previous, first)) this.#list.querySelector(".day")?.remove();
    this.#list.prepend(items);
    this.#firstSeq = page.messages[0].seq;
    this.#hasOlder = page.hasMoreBefore;
    this.#scroll.scrollTop = this.#scroll.scrollHeight - before;
  }

  #scrolled() {
    this.#wasAtEnd = this.#isAtEnd();
    if (this.#scroll.scrollTop < OLDER_PX) void this.#loadOlder();
    if (this.#wasAtEnd) this.#seen();
  }

  #seen() {
    if (document.hidden || !this.#isAtEnd()) return;
    this.#unseen = 0;
    this.#newButton.hidden = true;
    if (this.#lastSeq > 0) this.#options.read(this.#lastSeq);
  }

  #refresh() {
    this.#empty.hidden = this.#list.childElementCount > 0;
    this.#newButton.hidden = this.#unseen === 0;
    this.#newButton.textContent = this.#unseen === 1 ? "1 new message" : `${this.#unseen} new messages`;
    const readUpTo = Math.max(0, ...this.#marks.values());
    const own = [...this.#list.querySelectorAll(".message.out[data-seq]")];
    const last = own.pop();
    for (const item of own) if (item instanceof HTMLElement && item.dataset.state) showState(item, null);
    if (last instanceof HTMLElement) showState(last, Number(last.dataset.seq) <= readUpTo ? "seen" : "sent");
  }

  #showTyping() {
    const names = [...this.#typing.values()];
    this.#typingLine.textContent = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
    this.#typingLine.classList.toggle("is-active", names.length > 0);
  }

  #isAtEnd() {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < END_PX;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#wasAtEnd = true;
    this.#seen();
  }
}

/**
 * Whether `item` belongs to the same group as the message before it.
 * @param {HTMLElement | null} previous
 * @param {HTMLElement} item
 */
function follows(previous, item) {
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
