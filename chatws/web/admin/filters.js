/** Filters of the list of conversations, each a button with its number of conversations. */

/** @import {Conversation} from "../core/protocol.js" */

import { find, make } from "../ui/dom.js";

/** @type {Record<string, (conversation: Conversation, userId: string) => boolean>} */
const FILTERS = {
  Open: ({ status }) => status !== "resolved",
  Mine: ({ assignee, status }, userId) => assignee?.userId === userId && status !== "resolved",
  Queue: ({ status }) => status === "queued",
  Resolved: ({ status }) => status === "resolved",
};

export class Filters {
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
    find("#filters", HTMLElement).replaceChildren(...[...this.#buttons.values()].map(({ button }) => button));
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
