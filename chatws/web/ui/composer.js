/** Where a message is written: Enter sends, Shift+Enter starts a new line; typing is told and ends by itself. */

import { make } from "./dom.js";

const MAX_CHARACTERS = 4_000;
const SHOW_COUNT_FROM = 3_600;
const TYPING_ENDS_AFTER_MS = 3_000;

export class Composer {
  #area;
  #button;
  #count;
  #isTyping = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle;
  #options;

  /**
   * @param {HTMLElement} root
   * @param {{label: string, onSend: (text: string) => void, onTyping: (isTyping: boolean) => void}} options
   */
  constructor(root, options) {
    this.#options = options;
    this.#area = make("textarea", {
      class: "composer-area", rows: 1, placeholder: "Write a message", "aria-label": options.label, dir: "auto",
      enterkeyhint: "send",
    });
    this.#count = make("span", { class: "composer-count", role: "status" });
    const icon = make("span", { class: "icon icon-send", "aria-hidden": "true" });
    this.#button = make("button", { class: "button-primary composer-send", type: "submit", disabled: true }, icon);
    this.#button.setAttribute("aria-label", "Send");
    const form = make("form", { class: "composer" }, this.#area, this.#count, this.#button);
    form.addEventListener("submit", (event) => this.#send(event));
    this.#area.addEventListener("keydown", (event) => this.#key(event));
    this.#area.addEventListener("input", () => this.#changed());
    this.#area.addEventListener("blur", () => this.#typing(false));
    root.append(form);
  }

  focus() {
    this.#area.focus();
  }

  clear() {
    this.#area.value = "";
    this.#changed();
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.#area.disabled = !enabled;
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send(event);
  }

  /** @param {Event} event */
  #send(event) {
    event.preventDefault();
    if (this.#button.disabled) return;
    // First: what cannot be queued stays in the field.
    this.#options.onSend(this.#area.value);
    this.clear();
    this.#area.focus();
  }

  #changed() {
    const text = this.#area.value;
    const length = [...text].length;
    this.#button.disabled = !text.trim() || length > MAX_CHARACTERS || this.#area.disabled;
    this.#count.textContent = length < SHOW_COUNT_FROM ? "" : `${length} of ${MAX_CHARACTERS}`;
    this.#count.classList.toggle("is-over", length > MAX_CHARACTERS);
    // Two steps: it has to shrink before its content can say how high it wants to be.
    this.#area.style.height = "auto";
    this.#area.style.height = `${this.#area.scrollHeight}px`;
    this.#typing(text.length > 0 && document.activeElement === this.#area);
  }

  /** @param {boolean} isTyping */
  #typing(isTyping) {
    clearTimeout(this.#idle);
    if (isTyping) this.#idle = setTimeout(() => this.#typing(false), TYPING_ENDS_AFTER_MS);
    if (isTyping || this.#isTyping) this.#options.onTyping(isTyping);
    this.#isTyping = isTyping;
  }
}
