/** Notes of agents, shown between the messages of a thread where they were written. */

/** @import {PendingMessage} from "../core/chat-client.js" */
/** @import {Note} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { shortTimeOf } from "../ui/format.js";

/** Time of a note that is not stored, after every timestamp. */
const UNSENT = "~";
/** Distance from the end within which the thread scrolls to a new note. */
const END_PX = 80;

export class Notes {
  /** Elements by note. @type {Map<string, {afterSeq: number, element: HTMLLIElement}>} */
  #notes = new Map();
  /** Elements of notes that are not stored yet, at the end of the list. @type {Map<string, HTMLLIElement>} */
  #unsent = new Map();
  #list;

  /** @param {HTMLOListElement} list the messages of a thread */
  constructor(list) {
    this.#list = list;
    // Older messages and reloads change the list at any time; notes wait for the message before them.
    new MutationObserver(() => this.#place()).observe(list, { childList: true });
  }

  /** Add notes; those shown already are ignored. @param {Note[]} notes */
  add(notes) {
    for (const { noteId, afterSeq, author, content, timestamp } of notes) {
      if (this.#notes.has(noteId)) continue;
      this.remove(noteId);
      const time = make("time", { datetime: timestamp }, shortTimeOf(timestamp));
      const heading = make("p", { class: "note-author" }, "Note by ", make("bdi", {}, author.userName), " · ", time);
      const element = make("li", { class: "note", "data-time": timestamp }, heading, make("p", { class: "note-text", dir: "auto" }, content));
      this.#notes.set(noteId, { afterSeq, element });
    }
    this.#place();
  }

  /** Show notes that are not stored yet; those shown already stay. @param {PendingMessage[]} entries */
  showUnsent(entries) {
    for (const { clientMessageId: noteId, content } of entries) {
      if (this.#unsent.has(noteId) || this.#notes.has(noteId)) continue;
      const heading = make("p", { class: "note-author" }, "Your note · not stored yet…");
      const text = make("p", { class: "note-text", dir: "auto" }, content);
      this.#unsent.set(noteId, make("li", { class: "note is-unsent", "data-time": UNSENT }, heading, text));
    }
    this.#place();
  }

  /** Remove a note that is not stored. @param {string} noteId */
  remove(noteId) {
    this.#unsent.get(noteId)?.remove();
    this.#unsent.delete(noteId);
  }

  #place() {
    const isMissing = [...this.#unsent.values(), ...[...this.#notes.values()].map(({ element }) => element)].some((one) => !one.isConnected);
    if (!isMissing) return; // a layout for each message of a burst takes seconds
    const scroll = this.#list.parentElement;
    const wasAtEnd = scroll && scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < END_PX;
    for (const { afterSeq, element } of this.#notes.values()) {
      if (!element.isConnected) this.#insert(afterSeq, element);
    }
    for (const element of this.#unsent.values()) if (!element.isConnected) this.#list.append(element);
    if (wasAtEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  /**
   * @param {number} afterSeq
   * @param {HTMLLIElement} element
   */
  #insert(afterSeq, element) {
    const first = this.#list.querySelector(".message[data-seq]");
    if (afterSeq === 0) {
      const isAtStart = first === null || (first instanceof HTMLElement && first.dataset.seq === "1");
      if (isAtStart) this.#list.insertBefore(element, afterOlderNotes(this.#list.firstElementChild, element));
      return;
    }
    const message = this.#list.querySelector(`.message[data-seq="${afterSeq}"]`);
    if (message) this.#list.insertBefore(element, afterOlderNotes(message.nextElementSibling, element));
  }
}

/**
 * Return the first element from `element` on that is no note, or a note later than `note`.
 * @param {Element | null} element
 * @param {HTMLElement} note
 */
function afterOlderNotes(element, note) {
  const time = note.dataset.time ?? "";
  while (element instanceof HTMLElement && element.matches(".note") && (element.dataset.time ?? "") <= time) {
    element = element.nextElementSibling;
  }
  return element;
}
