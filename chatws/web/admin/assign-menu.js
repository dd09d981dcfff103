/** Menu of the agents to whom a conversation can be assigned. */

/** @import {AgentList, AgentPresence, Refused} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { showPresence } from "../ui/status.js";
import { moveFocus } from "./move-focus.js";
import adminWebSocket from "./src/services/websocket-client.js";

export class AssignMenu {
  #button = make("button", { class: "button button-small", type: "button", "aria-expanded": "false" }, "Assign to…");
  #menu = make("ul", { class: "menu", "aria-label": "Agents", hidden: true });
  element = make("div", { class: "assign" }, this.#button, this.#menu);
  #onChoose;

  /** @param {(userId: string) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.#button.addEventListener("click", () => (this.#menu.hidden ? void this.#open() : this.close()));
    this.element.addEventListener("keydown", (event) => this.#onKeyDown(event));
    this.element.addEventListener("focusout", (event) => {
      if (event.relatedTarget instanceof Node && !this.element.contains(event.relatedTarget)) this.close();
    });
  }

  close() {
    this.#menu.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
  }

  async #open() {
    /** @type {AgentList | Refused | null} */
    const reply = await adminWebSocket.chat.call("list_agents", {});
    const agents = reply?.success ? reply.agents : [];
    this.#menu.replaceChildren(...agents.map((agent) => this.#item(agent)));
    if (!agents.length) this.#menu.append(make("li", { class: "menu-empty" }, "The agents are not known without a connection."));
    this.#menu.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#menu.querySelector("button")?.focus();
  }

  /** @param {AgentPresence} agent */
  #item({ user, status }) {
    const presence = make("span", { class: "presence" });
    showPresence(presence, status);
    const button = make("button", { type: "button", class: "menu-item" }, make("bdi", {}, user.userName), presence);
    button.addEventListener("click", () => {
      this.close();
      this.#button.focus();
      this.#onChoose(user.userId);
    });
    return make("li", {}, button);
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    if (this.#menu.hidden || moveFocus(event, this.#menu.querySelectorAll("button")) || event.key !== "Escape") return;
    this.close();
    this.#button.focus();
    event.preventDefault();
  }
}
