/** Filters of the list of conversations, each a button with its number of conversations. */

/** @import {Conversation, SearchHit} from "../core/protocol.js" */

import { find, make } from "../ui/dom.js";

/** @type {Record<string, (conversation: Conversation, userId: string) => boolean>} */
const FILTERS = {
  Open: ({ status }) => status !== "resolved",
  Mine: ({ assignee, status }, userId) => assignee?.userId === userId && status !== "resolved",
  Queue: ({ status }) => status === "queued",
  Resolved: ({ status }) => status === "resolved",
};

/** @type {Record<string, string>} */
const EMPTY = {
  Open: "No open conversations. New ones appear here by themselves.",
  Mine: "You hold no conversation. Claim one of the queue, or reply to it.",
  Queue: "No customer is waiting.",
  Resolved: "No resolved conversations.",
};

export class Filters {
  #group = find("#filters", HTMLElement);
  #found = find("#list-found", HTMLElement);
  #chosen = "Open";
  /** @type {Map<string, {button: HTMLButtonElement, count: HTMLElement}>} */
  #buttons = new Map();
  #userId;

  /**
   * @param {string} userId the agent
   * @param {() => void} onChange
   */
  constructor(userId, onChange) {
    this.#userId = userId;
    for (const name of Object.keys(FILTERS)) {
      const count = make("span", { class: "filter-count" });
      const button = make("button", { class: "filter", type: "button" }, `${name} `, count);
      button.addEventListener("click", () => {
        this.#chosen = name;
        onChange();
      });
      this.#buttons.set(name, { button, count });
    }
    this.#group.replaceChildren(...[...this.#buttons.values()].map(({ button }) => button));
  }

  /** Text shown if the chosen filter has no conversations. */
  get emptyText() {
    return EMPTY[this.#chosen];
  }

  /** Show the number of found conversations in place of the filters. @param {SearchHit[] | null} hits null without a search */
  show(hits) {
    this.#group.hidden = hits !== null;
    this.#found.hidden = !hits?.length;
    const text = hits?.length === 1 ? "1 conversation found" : `${hits?.length ?? 0} conversations found`;
    if (hits && this.#found.textContent !== text) this.#found.textContent = text;
  }

  /**
   * Return the conversations of the chosen filter, and show the number of each filter.
   * @param {Conversation[]} conversations
   * @param {boolean} isComplete false if older conversations are not loaded yet
   */
  apply(conversations, isComplete) {
    /** @type {Conversation[]} */
    let chosen = [];
    for (const [name, { button, count }] of this.#buttons) {
      const matching = conversations.filter((one) => FILTERS[name](one, this.#userId));
      if (name === this.#chosen) chosen = matching;
      count.textContent = `${matching.length}${isComplete ? "" : "+"}`;
      button.setAttribute("aria-pressed", String(name === this.#chosen));
    }
    return chosen;
  }
}
