/** Event log, newest first, bounded so that a page left open does not grow. */

import { make } from "../ui/dom.js";

const MAX_ROWS = 300;

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
   * @param {string} source
   * @param {string} event
   * @param {string} detail
   */
  add(source, event, detail) {
    const time = make("time", {}, clock.format(new Date()));
    const row = make("li", { "data-source": source.toLowerCase() }, time, make("b", {}, source), make("code", {}, event));
    row.append(make("span", {}, detail));
    this.#list.prepend(row);
    if (this.#list.childElementCount > MAX_ROWS) this.#list.lastElementChild?.remove();
  }
}
