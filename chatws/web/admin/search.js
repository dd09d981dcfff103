/** Search for customers and messages. */

/** @import {Refused, SearchAck, SearchHit} from "../core/protocol.js" */

import { find } from "../ui/dom.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Time without input before a request is sent. */
const DELAY_MS = 250;

export class Search {
  #field = find("#search", HTMLInputElement);
  #onResult;
  #onFailure;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {(hits: SearchHit[] | null) => void} onResult null if the field is empty
   * @param {(problem: string) => void} onFailure
   */
  constructor(onResult, onFailure) {
    this.#onResult = onResult;
    this.#onFailure = onFailure;
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#timer);
      if (!this.#text) this.#onResult(null);
      else this.#timer = setTimeout(() => void this.#request(), DELAY_MS);
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#text) return;
      event.preventDefault();
      this.#field.value = "";
      this.#field.dispatchEvent(new Event("input"));
    });
  }

  focus() {
    this.#field.focus();
  }

  get #text() {
    return this.#field.value.trim();
  }

  async #request() {
    const text = this.#text;
    /** @type {SearchAck | Refused | null} */
    const reply = await adminWebSocket.chat.call("search", { text });
    if (text !== this.#text) return;
    if (reply?.success) this.#onResult(reply.hits);
    else this.#onFailure(reply?.error.message ?? "No connection: search again once it is restored.");
  }
}
