/** Message input: Enter sends, Shift+Enter starts a new line; reports typing and its end. */

import { make } from "./dom.js";
import { formatText, texts } from "./texts.js";

const MAX_CHARACTERS = 4_000;
const COUNT_SHOWN_FROM = 3_600;
const TYPING_TIMEOUT_MS = 3_000;

export class Composer {
  #area;
  #button;
  #count;
  #isTyping = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typingTimer;
  #options;

  /**
   * @param {HTMLElement} root
   * @param {object} options
   * @param {string} options.label accessible name
   * @param {(text: string) => void} options.onSend
   * @param {(isTyping: boolean) => void} options.onTyping
   * @param {{load: () => string, save: (text: string) => void}} [options.draft] keeps the text that is not sent yet
   */
  constructor(root, options) {
    this.#options = options;
    this.#area = make("textarea", {
      class: "composer-area", rows: 1, placeholder: texts.placeholder, "aria-label": options.label, dir: "auto",
      enterkeyhint: "send",
    });
    this.#count = make("span", { class: "composer-count", role: "status" });
    const icon = make("span", { class: "icon icon-send", "aria-hidden": "true" });
    this.#button = make("button", { class: "button-primary composer-send", type: "submit", disabled: true }, icon);
    this.#button.setAttribute("aria-label", texts.send);
    const form = make("form", { class: "composer" }, this.#area, this.#count, this.#button);
    form.addEventListener("submit", (event) => this.#send(event));
    this.#area.addEventListener("keydown", (event) => this.#onKeyDown(event));
    this.#area.addEventListener("input", () => this.#onInput());
    this.#area.addEventListener("blur", () => this.#setTyping(false));
    root.append(form);
    this.#area.value = options.draft?.load() ?? "";
    if (this.#area.value) this.#onInput();
  }

  focus() {
    this.#area.focus();
  }

  clear() {
    this.#area.value = "";
    this.#onInput();
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.#area.disabled = !enabled;
    this.#onInput();
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    // While an input method is composing, Enter selects a candidate.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send(event);
  }

  /** @param {Event} event */
  #send(event) {
    event.preventDefault();
    if (this.#button.disabled) return;
    // Before clearing: if the outbox is full, the text stays in the field.
    this.#options.onSend(this.#area.value);
    this.clear();
    this.#area.focus();
  }

  #onInput() {
    const text = this.#area.value;
    this.#options.draft?.save(text);
    const length = [...text].length;
    this.#button.disabled = !text.trim() || length > MAX_CHARACTERS || this.#area.disabled;
    this.#count.textContent = length < COUNT_SHOWN_FROM ? "" : formatText("characters", { count: length, limit: MAX_CHARACTERS });
    this.#count.classList.toggle("is-over", length > MAX_CHARACTERS);
    // Reset first, otherwise `scrollHeight` never gets smaller.
    this.#area.style.height = "auto";
    this.#area.style.height = `${this.#area.scrollHeight}px`;
    this.#setTyping(text.length > 0 && document.activeElement === this.#area);
  }

  /** @param {boolean} isTyping */
  #setTyping(isTyping) {
    clearTimeout(this.#typingTimer);
    if (isTyping) this.#typingTimer = setTimeout(() => this.#setTyping(false), TYPING_TIMEOUT_MS);
    if (isTyping || this.#isTyping) this.#options.onTyping(isTyping);
    this.#isTyping = isTyping;
  }
}
