/** The guide's customer client: `WidgetWebSocketHandler`, as a module export and, for plain scripts, as a global. */

/** @import {Conversation, Failed, JoinAck, Message, Presence, Refused, TypingIndicator} from "../core/protocol.js" */
/** @import {ConnectionDetail, ConnectionState} from "../core/connection.js" */
/** @import {SendResult} from "../core/chat.js" */

import { ChatClient } from "../core/chat.js";

/**
 * A customer's connection.
 *
 * What is sent while offline leaves after the reconnection, also after a reload of the page; what was missed is caught
 * up; where no socket can be had, REST takes over. Messages that this tab sent are not given to `onMessageReceived`:
 * the page shows them on the ack.
 */
export class WidgetWebSocketHandler {
  /** @type {ChatClient | null} */
  #chat = null;
  #conversationId = "";
  /** Registered before `connect`. @type {Array<(chat: ChatClient) => void>} */
  #early = [];

  /**
   * @param {object} [options]
   * @param {(url: string, options: object) => any} [options.io] socket.io-client's `io`; the global one by default
   * @param {object} [options.socketOptions] more options for `io`, such as `{transports: ["polling"]}`
   * @param {number} [options.reconnectionAttempts] give up after so many; never by default
   * @param {Storage | null} [options.storage] keeps unsent messages; the tab's session storage by default
   */
  constructor(options = {}) {
    this.#options = options;
  }

  #options;

  /**
   * @param {string} sessionId
   * @param {string} [apiUrl] the server's origin; the page's own by default
   */
  connect(sessionId, apiUrl = "") {
    const io = this.#options.io ?? /** @type {any} a global that socket.io-client's script makes */ (globalThis).io;
    if (!io) throw new Error("load /socket.io/socket.io.js before connecting");
    this.#chat?.disconnect();
    this.#chat = new ChatClient({
      io,
      url: apiUrl,
      auth: () => ({ sessionId }),
      socketOptions: this.#options.socketOptions,
      maxAttempts: this.#options.reconnectionAttempts,
      storage: this.#options.storage === undefined ? tabStorage() : this.#options.storage,
      // Another customer in the same tab must not send what this one left behind.
      storageKey: `chatws.outbox.${sessionId.slice(-12)}`,
    });
    for (const register of this.#early) register(this.#chat);
    this.#chat.connect();
  }

  disconnect() {
    this.#chat?.disconnect();
  }

  /** The client underneath, for pages that show more than the guide's callbacks tell. */
  get chat() {
    if (!this.#chat) throw new Error("connect first");
    return this.#chat;
  }

  /**
   * Join a conversation now and after every reconnection; what follows is sent there.
   * @param {string} conversationId
   * @param {number} [afterSeq] the last message that the page shows already
   * @returns {Promise<JoinAck>}
   */
  joinConversation(conversationId, afterSeq) {
    this.#conversationId = conversationId;
    return this.chat.join(conversationId, afterSeq);
  }

  leaveConversation() {
    this.chat.leave(this.#conversationId);
    this.#conversationId = "";
  }

  /**
   * Send to the joined conversation; `ack` is called once, when the message is stored or finally refused.
   * @param {string} text
   * @param {(ack: SendResult) => void} [ack]
   * @returns {string} the message's clientMessageId
   */
  sendMessage(text, ack) {
    if (!this.#conversationId) throw new Error("join a conversation first");
    return this.chat.send(this.#conversationId, text, ack);
  }

  sendTypingStart() {
    this.chat.typing(this.#conversationId, true);
  }

  sendTypingStop() {
    this.chat.typing(this.#conversationId, false);
  }

  /** @param {number} seq */
  markRead(seq) {
    this.chat.markRead(this.#conversationId, seq);
  }

  /**
   * Read older messages.
   * @param {{beforeSeq?: number, afterSeq?: number, limit?: number}} [page]
   */
  history(page) {
    return this.chat.history(this.#conversationId, page);
  }

  /**
   * Ask for a human instead of the bot.
   * @param {string} [reason]
   * @returns {Promise<{success: true, conversation: Conversation} | Refused | null>} null without a connection
   */
  handoff(reason) {
    return this.chat.call("handoff", { conversationId: this.#conversationId, ...(reason && { reason }) });
  }

  /** @param {(message: Message) => void} callback */
  onMessageReceived(callback) {
    this.#register((chat) => chat.on("message", (message, { own }) => void (own || callback(message))));
  }

  /** @param {(indicator: TypingIndicator) => void} callback */
  onTypingIndicator(callback) {
    this.#register((chat) => chat.on("typing", callback));
  }

  /** @param {(state: ConnectionState, detail: ConnectionDetail) => void} callback */
  onConnectionChange(callback) {
    this.#register((chat) => chat.on("connection", callback));
  }

  /** @param {(presence: Presence) => void} callback */
  onPresenceUpdate(callback) {
    this.#register((chat) => chat.on("presence", callback));
  }

  /** @param {(mark: {conversationId: string, userId: string, seq: number}) => void} callback */
  onMessageRead(callback) {
    this.#register((chat) => chat.on("read", callback));
  }

  /** @param {(conversation: Conversation) => void} callback */
  onConversationUpdated(callback) {
    this.#register((chat) => chat.on("conversation", callback));
  }

  /** @param {(failed: Failed) => void} callback */
  onError(callback) {
    this.#register((chat) => chat.on("error", callback));
  }

  /** Uptime, delivered, reconnects, errors and more: the guide's client-side metrics. */
  stats() {
    return this.chat.stats();
  }

  /** @param {(chat: ChatClient) => void} register */
  #register(register) {
    this.#early.push(register);
    if (this.#chat) register(this.#chat);
  }
}

/** @returns {Storage | null} null where the browser forbids it */
function tabStorage() {
  try {
    return globalThis.sessionStorage;
  } catch {
    return null;
  }
}

Object.assign(globalThis, { WidgetWebSocketHandler });
