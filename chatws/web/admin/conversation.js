/** The open conversation: its messages, and what the agent can do with it. */

/** @import {Conversation, ConversationAck, Presence, Refused} from "../core/protocol.js" */

import { Composer } from "../ui/composer.js";
import { make } from "../ui/dom.js";
import { initialsOf } from "../ui/format.js";
import { showPresence } from "../ui/status.js";
import { Thread } from "../ui/thread.js";
import adminWebSocket from "./src/services/websocket-client.js";

const FIRST_PAGE = 50;
const OLDER_PAGE = 100;

/** What can be done in each status. @type {Record<Conversation["status"], string[]>} */
const ACTIONS = {
  bot: ["Hand off", "Claim"],
  queued: ["Claim", "Resolve"],
  assigned: ["Release", "Resolve"],
  resolved: ["Reopen"],
};

/** @type {Record<string, (seen: Conversation) => Promise<ConversationAck | Refused | null>>} */
const DO = {
  Claim: (seen) => adminWebSocket.claimConversation(seen),
  Release: (seen) => adminWebSocket.releaseConversation(seen),
  Resolve: (seen) => adminWebSocket.resolveConversation(seen),
  Reopen: (seen) => adminWebSocket.reopenConversation(seen),
  "Hand off": (seen) => adminWebSocket.handoff(seen.conversationId),
};

export class ConversationPane {
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {Thread | null} */
  #thread = null;
  #root;
  #me;
  #desk;
  #name = make("h2", { dir: "auto" });
  #presence = make("span", { class: "presence" });
  #avatar = make("span", { class: "avatar", "aria-hidden": "true" });
  #actions = make("div", { class: "actions", role: "group", "aria-label": "Conversation" });

  /**
   * @param {HTMLElement} root
   * @param {string} me
   * @param {{onClose: () => void, onRead: (conversationId: string, seq: number) => void, warn: (text: string) => void}} desk
   */
  constructor(root, me, desk) {
    this.#root = root;
    this.#me = me;
    this.#desk = desk;
    adminWebSocket.onMessageReceived((message) => this.#isOpen(message) && this.#thread?.add(message));
    adminWebSocket.onOwnMessage((message) => this.#isOpen(message) && this.#thread?.add(message));
    adminWebSocket.onTypingIndicator((indicator) => this.#isOpen(indicator) && this.#thread?.typing(indicator));
    adminWebSocket.onMessageRead((mark) => this.#isOpen(mark) && this.#thread?.mark(mark));
    adminWebSocket.onConnectionChange((state) => this.#thread?.offline(state !== "connected"));
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
    this.hear(conversation);
    const page = await adminWebSocket.history(conversationId, { limit: FIRST_PAGE }).catch(() => null);
    if (this.#thread !== thread) return;
    const messages = page?.success ? page.messages : [];
    const pending = adminWebSocket.chat.pending.filter((entry) => entry.conversationId === conversationId);
    thread.reset(messages, page?.success === true && page.hasMoreBefore, pending);
    await adminWebSocket.joinConversation(conversationId, messages.at(-1)?.seq ?? 0).catch(() => null);
  }

  /**
   * The conversation changed; only the open one matters here.
   * @param {Conversation} conversation
   */
  hear(conversation) {
    if (!this.#isOpen(conversation)) return;
    this.#conversation = conversation;
    const mine = conversation.assignee?.userId === this.#me;
    const names = ACTIONS[conversation.status].filter((name) => mine || name !== "Release");
    const focused = document.activeElement?.textContent;
    this.#actions.replaceChildren(...names.map((name) => this.#action(name)));
    for (const button of this.#actions.querySelectorAll("button")) if (button.textContent === focused) button.focus();
  }

  /** @param {Presence} presence */
  hearPresence(presence) {
    if (presence.userId === this.#conversation?.customer.userId) showPresence(this.#presence, presence.status);
  }

  /** @param {string} conversationId */
  #build(conversationId) {
    const back = make("button", { class: "button-icon back", type: "button", "aria-label": "Back to the list" });
    back.append(make("span", { class: "icon icon-back", "aria-hidden": "true" }));
    back.addEventListener("click", () => this.#desk.onClose());
    const heading = make("div", { class: "conversation-heading" }, this.#name, this.#presence);
    const header = make("header", { class: "conversation-header" }, back, this.#avatar, heading, this.#actions);
    this.#root.replaceChildren(header);
    const thread = new Thread(this.#root, {
      label: "Messages",
      empty: "Nothing has been said yet.",
      me: () => this.#me,
      older: (beforeSeq) => adminWebSocket.history(conversationId, { beforeSeq, limit: OLDER_PAGE }),
      send: (text) => this.#send(conversationId, text),
      read: (seq) => {
        adminWebSocket.markRead(conversationId, seq);
        this.#desk.onRead(conversationId, seq);
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
    if (adminWebSocket.chat.state !== "connected") thread?.offline(true);
  }

  /** @param {string} name */
  #action(name) {
    const kind = name === "Claim" ? "button-primary button-small" : "button button-small";
    const button = make("button", { class: kind, type: "button" }, name);
    button.addEventListener("click", async () => {
      if (!this.#conversation) return;
      button.disabled = true;
      const reply = await DO[name](this.#conversation);
      button.disabled = false;
      // A lost race brings the conversation as it is now, too.
      if (reply?.conversation) this.hear(reply.conversation);
      this.#desk.warn(reply?.success ? "" : (reply?.error.message ?? "No connection: try again when it is back."));
    });
    return button;
  }

  /** @param {{conversationId: string}} about */
  #isOpen({ conversationId }) {
    return conversationId === this.#conversation?.conversationId;
  }
}
