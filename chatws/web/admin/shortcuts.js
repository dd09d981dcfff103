/** Keyboard shortcuts of the dashboard, and the dialog that lists them. */

import { find, make } from "../ui/dom.js";

const ENABLED_KEY = "chatws.shortcuts";

/** @typedef {{key: string, help: string, run: () => void}} Shortcut */

export class Shortcuts {
  #dialog = find("#shortcuts", HTMLDialogElement);
  #enabled = find("#shortcuts-enabled", HTMLInputElement);
  #shortcuts;

  /** @param {Shortcut[]} shortcuts */
  constructor(shortcuts) {
    this.#shortcuts = [...shortcuts, { key: "?", help: "Show this list", run: () => this.#dialog.showModal() }];
    const rows = this.#shortcuts.map(({ key, help }) => make("li", {}, make("kbd", {}, key), help));
    find("#shortcuts-list", HTMLUListElement).replaceChildren(...rows);
    // Speech input types single letters; it must be possible to switch the shortcuts off.
    this.#enabled.checked = localStorage.getItem(ENABLED_KEY) !== "off";
    this.#enabled.addEventListener("change", () => localStorage.setItem(ENABLED_KEY, this.#enabled.checked ? "on" : "off"));
    find("#shortcuts-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    find("#shortcuts-open", HTMLButtonElement).addEventListener("click", () => this.#dialog.showModal());
    document.addEventListener("keydown", (event) => this.#onKeyDown(event));
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (this.#dialog.open) return;
    const isText = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
    if (event.key !== "Escape" && (isText || !this.#enabled.checked)) return;
    const shortcut = this.#shortcuts.find(({ key }) => key === event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }
}
