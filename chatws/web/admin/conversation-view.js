/** View of the open conversation with its messages and actions. */

/** @import {Conversation, ConversationAck, Presence, Refused} from "../core/protocol.js" */

import { Composer } from "../ui/composer.js";
import { make } from "../ui/dom.js";
import { initialsOf } from "../ui/format.js";
import { showPresence } from "../ui/status.js";
import { MessageThread } from "../ui/message-thread.js";
import adminWebSocket from "./src/services/websocket-client.js";

const FIRST_PAGE_SIZE = 50;
const OLDER_PAGE_SIZE = 100;

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

export class ConversationView {
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {MessageThread | null} */
  #thread = null;
  #root;
  #userId;
  #callbacks;
  #name = make("h2", { dir: "auto" });
  #presence = make("span", { class: "presence" });
  #avatar = make("span", { class: "avatar", "aria-hidden": "true" });
  #actions = make("div", { class: "actions", role: "group", "aria-label": "Conversation" });

  /**
   * @param {HTMLElement} root
   * @param {string} userId the agent
   * @param {{onClose: () => void, onRead: (conversationId: string, seq: number) => void, showWarning: (text: string) => void}} callbacks
   */
  constructor(root, userId, callbacks) {
    this.#root = root;
    this.#userId = userId;
    this.#callbacks = callbacks;
    adminWebSocket.onMessageReceived((message) => this.#isOpen(message) && this.#thread?.add(message));
    adminWebSocket.onOwnMessage((message) => this.#isOpen(message) && this.#thread?.add(message));
    adminWebSocket.onTypingIndicator((indicator) => this.#isOpen(indicator) && this.#thread?.setTyping(indicator));
    adminWebSocket.onMessageRead((mark) => this.#isOpen(mark) && this.#thread?.applyReadMark(mark));
    adminWebSocket.onConnectionChange((state) => this.#thread?.setOffline(state !== "connected"));
  }

  /**
   * @param {Conversation} conversation
   * @param {Presence["status"]} presence
   */
  async open(conversation, presence) {
    const { conversationId, customer } = conversation;
    if (this.#conversation && this.#conversation.conversationId !== conversationId) {
      adminWebSocket.leaveConversation(this.#conversation.conversationId);
    }
    this.#conversation = conversation;
    this.#name.textContent = customer.userName;
    this.#avatar.textContent = initialsOf(customer.userName);
    showPresence(this.#presence, presence);
    const thread = this.#build(conversationId);
    this.update(conversation);
    const page = await adminWebSocket.history(conversationId, { limit: FIRST_PAGE_SIZE }).catch(() => null);
    if (this.#thread !== thread) return;
    const messages = page?.success ? page.messages : [];
    const pending = adminWebSocket.chat.pending.filter((entry) => entry.conversationId === conversationId);
    thread.reset(messages, page?.success === true && page.hasMoreBefore, pending);
    await adminWebSocket.joinConversation(conversationId, messages.at(-1)?.seq ?? 0).catch(() => null);
  }

  /**
   * Apply a changed conversation; any other than the open one is ignored.
   * @param {Conversation} conversation
   */
  update(conversation) {
    if (!this.#isOpen(conversation)) return;
    this.#conversation = conversation;
    const mine = conversation.assignee?.userId === this.#userId;
    const names = ACTIONS[conversation.status].filter((name) => mine || name !== "Release");
    const focused = document.activeElement?.textContent;
    this.#actions.replaceChildren(...names.map((name) => this.#action(name)));
    for (const button of this.#actions.querySelectorAll("button")) if (button.textContent === focused) button.focus();
  }

  /** @param {Presence} presence */
  updatePresence(presence) {
    if (presence.userId === this.#conversation?.customer.userId) showPresence(this.#presence, presence.status);
  }

  /** @param {string} conversationId */
  #build(conversationId) {
    const back = make("button", { class: "button-icon back", type: "button", "aria-label": "Back to the list" });
    back.append(make("span", { class: "icon icon-back", "aria-hidden": "true" }));
    back.addEventListener("click", () => this.#callbacks.onClose());
    const heading = make("div", { class: "conversation-heading" }, this.#name, this.#presence);
    const header = make("header", { class: "conversation-header" }, back, this.#avatar, heading, this.#actions);
    this.#root.replaceChildren(header);
    const thread = new MessageThread(this.#root, {
      label: "Messages",
      empty: "No messages yet.",
      me: () => this.#userId,
      older: (beforeSeq) => adminWebSocket.history(conversationId, { beforeSeq, limit: OLDER_PAGE_SIZE }),
      send: (text) => this.#send(conversationId, text),
      read: (seq) => {
        adminWebSocket.markRead(conversationId, seq);
        this.#callbacks.onRead(conversationId, seq);
      },
    });
    const composer = new Composer(this.#root, {
      label: "Reply",
      onSend: (text) => this.#send(conversationId, text),
      onTyping: (isTyping) => {
        if (isTyping) adminWebSocket.sendTypingStart(conversationId);
        else adminWebSocket.sendTypingStop(conversationId);
      },
    });
    composer.focus();
    return (this.#thread = thread);
  }

  /**
   * @param {string} conversationId
   * @param {string} content
   */
  #send(conversationId, content) {
    const thread = this.#thread;
    const clientMessageId = adminWebSocket.sendMessage(conversationId, content, (result) => thread?.settle(result));
    thread?.queue({ conversationId, content, clientMessageId });
    if (adminWebSocket.chat.state !== "connected") thread?.setOffline(true);
  }

  /** @param {string} name */
  #action(name) {
    const kind = name === "Claim" ? "button-primary button-small" : "button button-small";
    const button = make("button", { class: kind, type: "button" }, name);
    button.addEventListener("click", async () => {
      if (!this.#conversation) return;
      button.disabled = true;
      const reply = await REQUESTS[name](this.#conversation);
      button.disabled = false;
      // A refusal after a concurrent change also contains the current conversation.
      if (reply?.conversation) this.update(reply.conversation);
      this.#callbacks.showWarning(reply?.success ? "" : (reply?.error.message ?? "No connection: try again once it is restored."));
    });
    return button;
  }

  /** @param {{conversationId: string}} event */
  #isOpen({ conversationId }) {
    return conversationId === this.#conversation?.conversationId;
  }
}
