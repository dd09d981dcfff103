/** View of the open conversation: header, messages, notes and input. */

/** @import {Conversation, Note, NoteList, Presence, Refused} from "../core/protocol.js" */
/** @import {SendResult} from "../core/chat-client.js" */
/** @import {Drafts} from "./drafts.js" */

import { find, make } from "../ui/dom.js";
import { initialsOf } from "../ui/format.js";
import { MessageThread } from "../ui/message-thread.js";
import { showPresence } from "../ui/status.js";
import { Actions } from "./actions.js";
import { ComposerPanel } from "./composer-panel.js";
import { CustomerPanel } from "./customer-panel.js";
import { NoteSender } from "./note-sender.js";
import { Notes } from "./notes.js";
import adminWebSocket from "./src/services/websocket-client.js";

const FIRST_PAGE_SIZE = 50;
const OLDER_PAGE_SIZE = 100;

/**
 * @typedef {object} ViewCallbacks
 * @property {() => void} onClose
 * @property {(conversationId: string) => void} onOpen
 * @property {(conversationId: string, seq: number) => void} onRead
 * @property {(text: string) => void} showWarning
 */

export class ConversationView {
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {MessageThread | null} */
  #thread = null;
  /** @type {Notes | null} */
  #notes = null;
  /** @type {ComposerPanel | null} */
  #composer = null;
  /** @type {CustomerPanel | null} */
  #customer = null;
  #placeholder = find("#nothing", HTMLElement);
  #root;
  #userId;
  #drafts;
  #callbacks;
  #actions;
  #noteSender;
  #name = make("h2", { dir: "auto" });
  #presence = make("span", { class: "presence" });
  #holder = make("span", { class: "holder", dir: "auto" });
  #avatar = make("span", { class: "avatar", "aria-hidden": "true" });

  /**
   * @param {HTMLElement} root
   * @param {string} userId the agent
   * @param {Drafts} drafts
   * @param {ViewCallbacks} callbacks
   */
  constructor(root, userId, drafts, callbacks) {
    this.#root = root;
    this.#userId = userId;
    this.#drafts = drafts;
    this.#callbacks = callbacks;
    this.#actions = new Actions(userId, {
      onChange: (conversation) => this.update(conversation),
      showWarning: callbacks.showWarning,
    });
    this.#noteSender = new NoteSender(userId, {
      onStored: (note) => this.isOpen(note) && this.#notes?.add([note]),
      onRefused: (conversationId, content, noteId, problem) => this.#onNoteRefused(conversationId, content, noteId, problem),
    });
    adminWebSocket.onMessageReceived((message) => this.isOpen(message) && this.#thread?.add(message), { includeOwn: true });
    adminWebSocket.onTypingIndicator((indicator) => this.isOpen(indicator) && this.#thread?.setTyping(indicator));
    adminWebSocket.onMessageRead((mark) => this.isOpen(mark) && this.#thread?.applyReadMark(mark));
    adminWebSocket.onConnectionChange((state) => this.#thread?.setOffline(state !== "connected"));
    adminWebSocket.chat.on("joined", ({ conversation }) => void this.#loadNotes(conversation.conversationId));
    adminWebSocket.chat.on("reloaded", (conversationId, messages, hasOlder) => {
      if (this.isOpen({ conversationId })) this.#thread?.reset(messages, hasOlder, pendingIn(conversationId));
    });
    adminWebSocket.chat.on("other", (name, payload) => {
      if (name === "note_added" && this.isOpen(/** @type {Note} */ (payload))) this.#notes?.add([/** @type {Note} */ (payload)]);
    });
  }

  /** Whether an event is about the open conversation. @param {{conversationId: string}} event */
  isOpen({ conversationId }) {
    return conversationId === this.#conversation?.conversationId;
  }

  /**
   * @param {Conversation} conversation
   * @param {Presence["status"]} presence
   */
  async open(conversation, presence) {
    const { conversationId, customer } = conversation;
    if (this.#conversation && this.#conversation.conversationId !== conversationId) this.#leave();
    this.#conversation = conversation;
    this.#name.textContent = this.#name.title = customer.userName;
    this.#avatar.textContent = initialsOf(customer.userName);
    showPresence(this.#presence, presence);
    const thread = this.#build(conversation);
    this.update(conversation);
    const page = await adminWebSocket.history(conversationId, { limit: FIRST_PAGE_SIZE }).catch(() => null);
    if (this.#thread !== thread) return;
    const messages = page?.success ? page.messages : [];
    thread.reset(messages, page?.success === true && page.hasMoreBefore, pendingIn(conversationId));
    await adminWebSocket.joinConversation(conversationId, messages.at(-1)?.seq ?? 0).catch(() => null);
  }

  focus() {
    this.#composer?.focus();
  }

  /** Move to the input of a reply or a note. @param {import("./composer-panel.js").Mode} mode */
  write(mode) {
    this.#composer?.choose(mode);
    this.focus();
  }

  /** Run an action of the open conversation. @param {string} name */
  run(name) {
    if (this.#conversation) this.#actions.run(name);
  }

  toggleCustomer() {
    this.#customer?.toggle();
  }

  /** Leave the open conversation and show the placeholder. */
  close() {
    this.#leave();
    this.#root.replaceChildren(this.#placeholder);
  }

  /**
   * Apply a changed conversation; any other than the open one is ignored.
   * @param {Conversation} conversation
   */
  update(conversation) {
    if (!this.isOpen(conversation)) return;
    this.#conversation = conversation;
    this.#holder.textContent = holderOf(conversation, this.#userId);
    this.#actions.show(conversation);
    this.#customer?.update(conversation);
  }

  /** @param {Presence} presence */
  updatePresence(presence) {
    if (presence.userId === this.#conversation?.customer.userId) showPresence(this.#presence, presence.status);
  }

  #leave() {
    if (this.#conversation) adminWebSocket.leaveConversation(this.#conversation.conversationId);
    this.#conversation = this.#thread = this.#notes = this.#composer = this.#customer = null;
  }

  /** @param {Conversation} conversation */
  #build(conversation) {
    const { conversationId } = conversation;
    const back = make("button", { class: "button-icon back", type: "button", "aria-label": "Back to the list" });
    back.append(make("span", { class: "icon icon-back", "aria-hidden": "true" }));
    back.addEventListener("click", () => this.#callbacks.onClose());
    const state = make("p", { class: "conversation-state" }, this.#presence, this.#holder);
    const heading = make("div", { class: "conversation-heading" }, this.#name, state);
    this.#customer = new CustomerPanel(conversation, this.#callbacks.onOpen);
    this.#root.replaceChildren(
      make("header", { class: "conversation-header" }, back, this.#avatar, heading, this.#actions.element),
      this.#customer.element,
    );
    const thread = new MessageThread(this.#root, {
      label: "Messages",
      empty: "No messages yet.",
      me: () => this.#userId,
      older: (beforeSeq) => adminWebSocket.history(conversationId, { beforeSeq, limit: OLDER_PAGE_SIZE }),
      send: (text, clientMessageId) => this.#send(conversationId, text, clientMessageId),
      read: (seq) => {
        adminWebSocket.markRead(conversationId, seq);
        this.#callbacks.onRead(conversationId, seq);
      },
    });
    this.#notes = new Notes(find(".messages", HTMLOListElement, this.#root));
    this.#notes.showUnsent(this.#noteSender.pending(conversationId));
    const composer = new ComposerPanel(this.#root, conversation, this.#drafts, {
      onReply: (text) => this.#send(conversationId, text),
      onNote: (text) => {
        this.#noteSender.send(conversationId, text);
        this.#notes?.showUnsent(this.#noteSender.pending(conversationId));
      },
      onTyping: (isTyping) => {
        if (isTyping) adminWebSocket.sendTypingStart(conversationId);
        else adminWebSocket.sendTypingStop(conversationId);
      },
    });
    composer.focus();
    this.#composer = composer;
    return (this.#thread = thread);
  }

  /**
   * @param {string} conversationId
   * @param {string} content
   * @param {string} [clientMessageId] that of a message that may be stored already
   */
  #send(conversationId, content, clientMessageId) {
    const thread = this.#thread;
    const settle = (/** @type {SendResult} */ result) => thread?.settle(result);
    const id = adminWebSocket.sendMessage(conversationId, content, settle, clientMessageId);
    thread?.queue({ conversationId, content, clientMessageId: id });
    if (adminWebSocket.chat.state !== "connected") thread?.setOffline(true);
  }

  /**
   * Put a refused note back into the field, or into the draft of its conversation.
   * @param {string} conversationId
   * @param {string} content
   * @param {string} noteId
   * @param {string} problem
   */
  #onNoteRefused(conversationId, content, noteId, problem) {
    this.#drafts.restore(`note:${conversationId}`, content);
    if (this.isOpen({ conversationId })) {
      this.#notes?.remove(noteId);
      this.#composer?.choose("note");
    }
    this.#callbacks.showWarning(`A note was not stored: ${problem}`);
  }

  /** @param {string} conversationId */
  async #loadNotes(conversationId) {
    const notes = this.#notes;
    if (!this.isOpen({ conversationId })) return;
    /** @type {NoteList | Refused | null} */
    const reply = await adminWebSocket.chat.call("list_notes", { conversationId });
    if (reply?.success) notes?.add(reply.notes);
  }
}

/** Messages of a conversation without an ack. @param {string} conversationId */
const pendingIn = (conversationId) => adminWebSocket.chat.pending.filter((entry) => entry.conversationId === conversationId);

/**
 * Return a sentence about the holder of a conversation.
 * @param {Conversation} conversation
 * @param {string} userId the agent
 */
function holderOf({ status, assignee }, userId) {
  if (status === "assigned" && assignee) return assignee.userId === userId ? "Assigned to you" : `Assigned to ${assignee.userName}`;
  return { bot: "The bot replies", queued: "In the queue", assigned: "Assigned", resolved: "Resolved" }[status];
}
