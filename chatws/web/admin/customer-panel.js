/** Panel about the customer of the open conversation: first contact and other conversations. */

/** @import {Conversation, ConversationList, Refused} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { dayOf } from "../ui/format.js";
import adminWebSocket from "./src/services/websocket-client.js";

const MAX_CONVERSATIONS = 100;
const STATUS_LABELS = { bot: "Bot", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" };

export class CustomerPanel {
  #content = make("div", { class: "customer-content" });
  element = make("details", { class: "customer" }, make("summary", {}, "Customer"), this.#content);
  #conversation;
  #onOpen;

  /**
   * @param {Conversation} conversation
   * @param {(conversationId: string) => void} onOpen
   */
  constructor(conversation, onOpen) {
    this.#conversation = conversation;
    this.#onOpen = onOpen;
    this.element.addEventListener("toggle", () => this.element.open && void this.#load());
  }

  async #load() {
    const { conversationId, customer } = this.#conversation;
    const query = { customer: customer.userId, limit: MAX_CONVERSATIONS };
    /** @type {ConversationList | Refused | null} */
    const page = await adminWebSocket.chat.rest.get("/api/conversations", query).catch(() => null);
    if (!page?.success) return this.#content.replaceChildren(make("p", {}, "The server cannot be reached."));
    const dates = [this.#conversation, ...page.conversations].map(({ createdAt }) => createdAt).sort();
    const first = make("time", { datetime: dates[0] }, dayOf(dates[0]));
    const others = page.conversations.filter((one) => one.conversationId !== conversationId);
    this.#content.replaceChildren(
      make("p", {}, make("bdi", {}, customer.userName), ", first seen: ", first),
      make("p", {}, others.length ? "Other conversations:" : "No other conversations."),
      make("ul", { class: "customer-list" }, ...others.map((one) => this.#item(one))),
    );
  }

  /** @param {Conversation} conversation */
  #item({ conversationId, createdAt, status, lastMessage }) {
    const state = make("span", { class: "muted" }, `${dayOf(createdAt)}, ${STATUS_LABELS[status]}`);
    const preview = make("span", { class: "reply-text", dir: "auto" }, lastMessage?.content ?? "No message yet");
    const button = make("button", { type: "button", class: "reply" }, state, preview);
    button.addEventListener("click", () => this.#onOpen(conversationId));
    return make("li", {}, button);
  }
}
