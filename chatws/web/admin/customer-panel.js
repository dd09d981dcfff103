/** Panel about the customer of the open conversation: mail address, first contact and other conversations. */

/** @import {Conversation, ConversationList, Refused} from "../core/protocol.js" */

import { make } from "../ui/dom.js";
import { dayOf } from "../ui/format.js";
import adminWebSocket from "./src/services/websocket-client.js";

const MAX_CONVERSATIONS = 100;
const STATUS_LABELS = { bot: "Bot", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" };
const OPEN_KEY = "chatws.customer";
/** Windows in which the panel stands beside the messages, as in conversation.css: there it stays open. */
const WIDE = "(min-width: 1200px)";

export class CustomerPanel {
  #content = make("div", { class: "customer-content" });
  #mail = make("bdi", { class: "customer-mail" });
  element = make("details", { class: "customer" }, make("summary", {}, make("span", {}, "Customer"), this.#mail), this.#content);
  #conversation;
  #onOpen;

  /**
   * @param {Conversation} conversation
   * @param {(conversationId: string) => void} onOpen
   */
  constructor(conversation, onOpen) {
    this.#conversation = conversation;
    this.#onOpen = onOpen;
    this.#mail.textContent = conversation.customerEmail ?? "";
    this.element.open = matchMedia(WIDE).matches && localStorage.getItem(OPEN_KEY) === "open";
    this.element.addEventListener("toggle", () => this.#onToggle());
  }

  /** Open or close the panel; an open one has the focus. */
  toggle() {
    this.element.open = !this.element.open;
    if (this.element.open) this.element.querySelector("summary")?.focus();
  }

  /** Show a mail address that the customer has left meanwhile. @param {Conversation} conversation */
  update(conversation) {
    const isNew = conversation.customerEmail !== this.#conversation.customerEmail;
    this.#conversation = conversation;
    this.#mail.textContent = conversation.customerEmail ?? "";
    if (isNew && this.element.open) void this.#load();
  }

  #onToggle() {
    localStorage.setItem(OPEN_KEY, this.element.open ? "open" : "closed");
    if (this.element.open) void this.#load();
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
      make("p", { class: "customer-name" }, make("bdi", {}, customer.userName), ", first seen: ", first),
      this.#contact(),
      make("p", {}, others.length ? "Other conversations:" : "No other conversations."),
      make("ul", { class: "customer-list" }, ...others.map((one) => this.#item(one))),
    );
  }

  #contact() {
    const { customerEmail } = this.#conversation;
    if (!customerEmail) return make("p", {}, "No mail address.");
    // Encoded: a question mark would start the fields of the message.
    const address = encodeURIComponent(customerEmail).replace("%40", "@");
    const link = make("a", { href: `mailto:${address}` }, make("bdi", {}, customerEmail));
    return make("p", { class: "customer-mail" }, "Mail: ", link);
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
