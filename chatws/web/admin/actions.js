/** Buttons that change the status and the assignee of the open conversation. */

/** @import {Conversation, ConversationAck, Refused} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** Available actions by status. @type {Record<Conversation["status"], string[]>} */
const ACTIONS = {
  bot: ["Hand off", "Claim"],
  queued: ["Claim", "Resolve"],
  assigned: ["Release", "Resolve"],
  resolved: ["Reopen"],
};

/** @type {Record<string, (conversation: Conversation) => Promise<ConversationAck | Refused | null>>} */
const REQUESTS = {
  Claim: (conversation) => adminWebSocket.claimConversation(conversation),
  Release: (conversation) => adminWebSocket.releaseConversation(conversation),
  Resolve: (conversation) => adminWebSocket.resolveConversation(conversation),
  Reopen: (conversation) => adminWebSocket.reopenConversation(conversation),
  "Hand off": (conversation) => adminWebSocket.handoff(conversation.conversationId),
};

export class Actions {
  element = make("div", { class: "actions", role: "group", "aria-label": "Conversation" });
  /** @type {Conversation | null} */
  #conversation = null;
  #isBusy = false;
  #userId;
  #callbacks;

  /**
   * @param {string} userId the agent
   * @param {{onChange: (conversation: Conversation) => void, showWarning: (text: string) => void}} callbacks
   */
  constructor(userId, callbacks) {
    this.#userId = userId;
    this.#callbacks = callbacks;
  }

  /** Show the actions of a conversation. @param {Conversation} conversation */
  show(conversation) {
    this.#conversation = conversation;
    if (this.#isBusy) return;
    const isMine = conversation.assignee?.userId === this.#userId;
    const names = ACTIONS[conversation.status].filter((name) => isMine || name !== "Release");
    const focused = document.activeElement?.textContent;
    this.element.replaceChildren(...names.map((name) => this.#button(name)));
    for (const button of this.#buttons()) if (button.textContent === focused) button.focus();
  }

  /** Run an action if the conversation has it. @param {string} name */
  run(name) {
    this.#buttons().find((button) => button.textContent === name)?.click();
  }

  /** @param {string} name */
  #button(name) {
    const kind = name === "Claim" ? "button-primary button-small" : "button button-small";
    const button = make("button", { class: kind, type: "button" }, name);
    button.addEventListener("click", () => void this.#request(name));
    return button;
  }

  #buttons() {
    return [...this.element.querySelectorAll("button")];
  }

  /** Send a request; a second one has to wait for its reply, which contains the version that it needs. @param {string} name */
  async #request(name) {
    if (!this.#conversation) return;
    this.#isBusy = true;
    for (const button of this.#buttons()) button.disabled = true;
    const { conversationId } = this.#conversation;
    const reply = await REQUESTS[name](this.#conversation);
    this.#isBusy = false;
    if (this.#conversation.conversationId !== conversationId) return this.show(this.#conversation);
    // A refusal after a concurrent change also contains the current conversation.
    const current = reply?.conversation ?? this.#conversation;
    this.#callbacks.onChange(current);
    const isFocusLost = document.activeElement === document.body;
    if (isFocusLost) (this.#buttons().find((button) => button.textContent === name) ?? this.#buttons()[0])?.focus();
    this.#callbacks.showWarning(reply?.success ? "" : (reply?.error.message ?? "No connection: try again once it is restored."));
  }
}
