/** Buttons that change the status and the assignee of the open conversation. */

/** @import {Conversation, ConversationAck, Refused} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { AssignMenu } from "./assign-menu.js";
import adminWebSocket from "./src/services/websocket-client.js";

/** @typedef {Promise<ConversationAck | Refused | null>} Reply */

const TAKE_OVER = "Take over";

export class Actions {
  element = make("div", { class: "actions", role: "group", "aria-label": "Conversation" });
  /** @type {Conversation | null} */
  #conversation = null;
  #assign = new AssignMenu((userId) => void this.#request("Assign to…", (conversation) => assign(conversation, userId)));
  #isBusy = false;
  #hasBot = false;
  #userId;
  #callbacks;

  /**
   * @param {string} userId the agent
   * @param {{onChange: (conversation: Conversation) => void, showWarning: (text: string) => void}} callbacks
   */
  constructor(userId, callbacks) {
    this.#userId = userId;
    this.#callbacks = callbacks;
    adminWebSocket.onInbox(({ hasBot }) => {
      this.#hasBot = hasBot === true;
      if (this.#conversation) this.show(this.#conversation);
    });
  }

  /** Show the actions of a conversation. @param {Conversation} conversation */
  show(conversation) {
    if (conversation.conversationId !== this.#conversation?.conversationId) this.#assign.close();
    this.#conversation = conversation;
    if (this.#isBusy) return;
    const focused = document.activeElement?.textContent;
    const buttons = this.#namesOf(conversation).map((name) => this.#button(name));
    // The menu stays in the document, so that it keeps the focus.
    for (const button of this.element.querySelectorAll(":scope > button")) button.remove();
    this.element.prepend(...buttons);
    if (conversation.status === "resolved") this.#assign.element.remove();
    else if (!this.element.contains(this.#assign.element)) this.element.append(this.#assign.element);
    for (const button of this.#buttons()) button.disabled = false;
    for (const button of buttons) if (button.textContent === focused) button.focus();
  }

  /** Run an action if the conversation has it. @param {string} name */
  run(name) {
    this.#buttons().find((button) => button.textContent === name)?.click();
  }

  /** @param {Conversation} conversation */
  #namesOf({ status, assignee }) {
    if (status === "resolved") return ["Reopen"];
    if (status === "bot") return ["Hand off", "Claim"];
    const holding = status === "queued" ? "Claim" : assignee?.userId === this.#userId ? "Release" : TAKE_OVER;
    return [holding, "Resolve", ...(this.#hasBot ? ["Give to the bot"] : [])];
  }

  /** @param {string} name */
  #button(name) {
    const kind = name === "Claim" ? "button-primary button-small" : "button button-small";
    const button = make("button", { class: kind, type: "button" }, name);
    button.addEventListener("click", () => void this.#request(name, (conversation) => this.#send(name, conversation)));
    return button;
  }

  #buttons() {
    return [...this.element.querySelectorAll("button")];
  }

  /**
   * @param {string} name
   * @param {Conversation} conversation
   * @returns {Reply}
   */
  #send(name, conversation) {
    const { conversationId, version } = conversation;
    switch (name) {
      case "Claim":
        return adminWebSocket.claimConversation(conversation);
      case "Release":
        return adminWebSocket.releaseConversation(conversation);
      case "Resolve":
        return adminWebSocket.resolveConversation(conversation);
      case "Reopen":
        return adminWebSocket.reopenConversation(conversation);
      case "Hand off":
        return adminWebSocket.handoff(conversationId);
      case TAKE_OVER:
        return assign(conversation, this.#userId);
      default:
        return adminWebSocket.chat.call("assign_bot", { conversationId, version });
    }
  }

  /**
   * Send a request; a second one has to wait for its reply, which contains the version that it needs.
   * @param {string} name
   * @param {(conversation: Conversation) => Reply} send
   */
  async #request(name, send) {
    if (!this.#conversation) return;
    this.#isBusy = true;
    for (const button of this.#buttons()) button.disabled = true;
    const { conversationId } = this.#conversation;
    const reply = await send(this.#conversation);
    this.#isBusy = false;
    if (this.#conversation.conversationId !== conversationId) return this.show(this.#conversation);
    // A refusal after a concurrent change also contains the current conversation.
    this.#callbacks.onChange(reply?.conversation ?? this.#conversation);
    const isFocusLost = document.activeElement === document.body;
    if (isFocusLost) (this.#buttons().find((button) => button.textContent === name) ?? this.#buttons()[0])?.focus();
    this.#callbacks.showWarning(reply?.success ? "" : (reply?.error.message ?? "No connection: try again once it is restored."));
  }
}

/**
 * @param {Conversation} conversation
 * @param {string} userId
 * @returns {Reply}
 */
function assign({ conversationId, version }, userId) {
  return adminWebSocket.chat.call("assign_conversation", { conversationId, version, userId });
}
