/** Lines between the messages for the customer: an agent has joined, or the conversation was resolved. */

/** @import {Conversation} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { formatText, texts } from "../ui/texts.js";

/** Distance from the end within which the thread scrolls to a new line. */
const END_PX = 80;

export class StatusNotices {
  /** @type {Conversation | null} */
  #known = null;
  #list;

  /** @param {HTMLOListElement} list the messages of a thread */
  constructor(list) {
    this.#list = list;
  }

  /** Show a line if the conversation changed in a way that concerns its customer. @param {Conversation} conversation */
  update(conversation) {
    const before = this.#known;
    if (before && before.version >= conversation.version) return;
    this.#known = conversation;
    const text = noticeOf(before, conversation);
    if (text) this.#show(text, conversation);
  }

  /**
   * @param {string} text
   * @param {Conversation} conversation
   */
  #show(text, { headSeq, assignee }) {
    const scroll = this.#list.parentElement;
    const wasAtEnd = scroll && scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < END_PX;
    // An agent's reply claims the conversation and arrives before the change; unsent messages stay at the end.
    const reply = assignee && this.#list.querySelector(`.message[data-seq="${headSeq}"][data-sender="${assignee.userId}"]`);
    const next = reply || this.#list.querySelector(".message:not([data-seq])");
    this.#list.insertBefore(make("li", { class: "thread-notice", dir: "auto" }, text), next);
    if (wasAtEnd) scroll.scrollTop = scroll.scrollHeight;
  }
}

/**
 * Return the line about a change; empty if it does not concern the customer.
 * @param {Conversation | null} before null when the page has just been opened
 * @param {Conversation} after
 */
function noticeOf(before, { status, assignee }) {
  if (status === "resolved") return texts.resolved;
  if (!before || status !== "assigned" || !assignee) return "";
  const isKnown = before.status === "assigned" && before.assignee?.userId === assignee.userId;
  return isKnown ? "" : formatText("joined", { name: assignee.userName });
}
