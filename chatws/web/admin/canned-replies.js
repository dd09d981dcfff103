/** Menu of the server's canned replies, opened by its button or by `/` in an empty field. */

/** @import {CannedReply, Refused, ReplyList} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { moveFocus } from "./move-focus.js";
import adminWebSocket from "./src/services/websocket-client.js";

const QUERY = /^\/(\S*)$/;

export class CannedReplies {
  button = make("button", { class: "button button-small", type: "button", "aria-expanded": "false" }, "Canned replies");
  menu = make("ul", { class: "replies", "aria-label": "Canned replies", hidden: true });
  #area;
  #customerName;
  /** @type {CannedReply[]} */
  #replies = [];

  /**
   * @param {HTMLTextAreaElement} area field for the chosen text
   * @param {string} customerName inserted for `{customer}`
   */
  constructor(area, customerName) {
    this.#area = area;
    this.#customerName = customerName;
    this.button.title = "Also opened by / in an empty field";
    this.button.addEventListener("click", () => (this.menu.hidden ? void this.#open() : this.#close()));
    this.menu.addEventListener("keydown", (event) => this.#onMenuKey(event));
    area.addEventListener("input", () => this.#onInput());
    // Before the composer's listener, which sends on Enter.
    area.addEventListener("keydown", (event) => this.#onAreaKey(event), { capture: true });
  }

  async #open() {
    this.menu.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    /** @type {ReplyList | Refused | null} */
    const reply = await adminWebSocket.chat.call("list_replies", {});
    this.#replies = reply?.success ? reply.replies : [];
    this.#render();
    if (document.activeElement === this.button) this.menu.querySelector("button")?.focus();
  }

  #close() {
    this.menu.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  #render() {
    const prefix = (QUERY.exec(this.#area.value)?.[1] ?? "").toLowerCase();
    const shown = this.#replies.filter(({ name }) => name.toLowerCase().startsWith(prefix));
    this.menu.replaceChildren(...shown.map((reply) => this.#item(reply)));
    if (!shown.length) this.menu.append(make("li", { class: "replies-empty" }, "No canned reply: the server's file replies.toml has them."));
  }

  /** @param {CannedReply} reply */
  #item({ name, content }) {
    const text = content.replaceAll("{customer}", this.#customerName);
    const preview = make("span", { class: "reply-text", dir: "auto" }, text);
    const button = make("button", { type: "button", class: "reply" }, make("strong", {}, name), preview);
    button.addEventListener("click", () => this.#insert(text));
    return make("li", {}, button);
  }

  /** @param {string} text */
  #insert(text) {
    const before = QUERY.test(this.#area.value) ? "" : this.#area.value;
    this.#area.value = before && !/\s$/.test(before) ? `${before} ${text}` : before + text;
    this.#close();
    this.#area.focus();
    this.#area.dispatchEvent(new Event("input"));
  }

  #onInput() {
    const isQuery = QUERY.test(this.#area.value);
    if (isQuery && this.menu.hidden) void this.#open();
    else if (isQuery) this.#render();
    else this.#close();
  }

  /** @param {KeyboardEvent} event */
  #onAreaKey(event) {
    if (this.menu.hidden || event.isComposing) return;
    const first = this.menu.querySelector("button");
    if (event.key === "Escape") this.#close();
    else if (event.key === "Enter" && first) first.click();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") first?.focus();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** @param {KeyboardEvent} event */
  #onMenuKey(event) {
    if (moveFocus(event, this.menu.querySelectorAll("button"))) return;
    if (event.key === "Escape") this.#close();
    else if (event.key !== "ArrowUp") return;
    this.#area.focus();
    event.preventDefault();
  }
}
