/** What happened, newest first; bounded, so that a page left open stays small. */

import { make } from "../ui/dom.js";

const KEPT = 300;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

export class EventLog {
  #list;

  /**
   * @param {HTMLOListElement} list
   * @param {HTMLButtonElement} clearButton
   */
  constructor(list, clearButton) {
    this.#list = list;
    clearButton.addEventListener("click", () => list.replaceChildren());
  }

  /**
   * @param {string} side
   * @param {string} event
   * @param {string} detail
   */
  add(side, event, detail) {
    const time = make("time", {}, clock.format(new Date()));
    const row = make("li", { "data-side": side.toLowerCase() }, time, make("b", {}, side), make("code", {}, event));
    row.append(make("span", {}, detail));
    this.#list.prepend(row);
    if (this.#list.childElementCount > KEPT) this.#list.lastElementChild?.remove();
  }
}
