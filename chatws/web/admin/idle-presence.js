/** Choice of the agent's presence; an agent without input for some minutes is away until the next input. */

/** @import {SetPresence} from "../core/protocol.js" */

import { find } from "../ui/dom.js";
import adminWebSocket from "./src/services/websocket-client.js";

const IDLE_MS = 5 * 60_000;
const INPUT_EVENTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

export class IdlePresence {
  #choice = find("#presence", HTMLSelectElement);
  #isIdle = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    this.#choice.addEventListener("change", () => {
      this.#isIdle = false;
      this.#set(/** @type {SetPresence["status"]} */ (this.#choice.value));
    });
    for (const name of INPUT_EVENTS) document.addEventListener(name, () => this.#onInput(), { passive: true, capture: true });
    this.#onInput();
  }

  #onInput() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onIdle(), IDLE_MS);
    if (this.#isIdle) this.#set("online");
    this.#isIdle = false;
  }

  #onIdle() {
    if (this.#choice.value !== "online") return;
    this.#isIdle = true;
    this.#set("away");
  }

  /** @param {SetPresence["status"]} status */
  #set(status) {
    this.#choice.value = status;
    void adminWebSocket.setPresence(status);
  }
}
