/** Unsent texts of an agent, kept per conversation while the tab is open. */

import { tabStorage } from "../core/tab-storage.js";

export class Drafts {
  #storage = tabStorage();
  #key;
  /** @type {Record<string, string>} */
  #texts;

  /** @param {string} userId the agent: another agent in this tab must not see the texts */
  constructor(userId) {
    this.#key = `chatws.drafts.${userId}`;
    this.#texts = JSON.parse(this.#storage?.getItem(this.#key) ?? "{}");
  }

  /** @param {string} name */
  get(name) {
    return this.#texts[name] ?? "";
  }

  /**
   * Put a text that could not be sent back, before a draft that was written meanwhile.
   * @param {string} name
   * @param {string} text
   */
  restore(name, text) {
    const draft = this.get(name);
    this.set(name, draft ? `${text}\n${draft}` : text);
  }

  /**
   * @param {string} name
   * @param {string} text empty to remove the draft
   */
  set(name, text) {
    if (text) this.#texts[name] = text;
    else delete this.#texts[name];
    try {
      this.#storage?.setItem(this.#key, JSON.stringify(this.#texts));
    } catch {
      // Storage is full: the texts are kept in memory only.
    }
  }
}
