/** Customer client of the guide: `WidgetWebSocketHandler`, exported by the module and available as a global. */

/** @import {Conversation, Failed, JoinAck, Message, Presence, Refused, TypingIndicator} from "../core/protocol.js" */
/** @import {ConnectionDetail, ConnectionState} from "../core/connection.js" */
/** @import {SendResult} from "../core/chat-client.js" */

import { ChatClient } from "../core/chat-client.js";
import { logToConsole } from "../core/debug-log.js";
import { tabStorage } from "../core/tab-storage.js";

/**
 * Connection of a customer.
 *
 * Queues messages while disconnected, also across page reloads, reconnects, and catches up on missed messages. REST is
 * used when no socket can be opened.
 */
export class WidgetWebSocketHandler {
  /** @type {ChatClient | null} */
  #chat = null;
  #conversationId = "";
  /** Registrations of callbacks, repeated for every new client. @type {Array<(chat: ChatClient) => void>} */
  #registrations = [];

  /**
   * @param {object} [options]
   * @param {(url: string, options: object) => any} [options.io] socket.io-client's `io`; by default the global one
   * @param {{transports?: string[]}} [options.socketOptions] more options for `io`, such as `{transports: ["polling"]}`
   * @param {number} [options.reconnectionAttempts] maximum number of attempts; unlimited by default
   * @param {Storage | null} [options.storage] keeps unsent messages; by default the tab's session storage
   * @param {boolean} [options.debug] log connections, messages and errors on the console, as `[WebSocket] …`
   */
  constructor(options = {}) {
    this.#options = options;
  }

  #options;

  /**
   * @param {string} sessionId
   * @param {string} [apiUrl] the server's origin; by default the origin of the page
   */
  connect(sessionId, apiUrl = "") {
    const io = this.#options.io ?? /** @type {any} the global defined by the socket.io-client script */ (globalThis).io;
    if (!io) throw new Error("load /socket.io/socket.io.js before connecting");
    this.#chat?.disconnect();
    this.#chat = new ChatClient({
      io,
      url: apiUrl,
      auth: () => ({ sessionId }),
      socketOptions: this.#options.socketOptions,
      maxAttempts: this.#options.reconnectionAttempts,
      storage: this.#options.storage === undefined ? tabStorage() : this.#options.storage,
      // A key per session: the client of the next customer in this tab must not send this customer's messages.
      storageKey: `chatws.outbox.${sessionId.slice(-12)}`,
    });
    if (this.#options.debug) logToConsole(this.#chat);
    for (const subscribe of this.#registrations) subscribe(this.#chat);
    this.#chat.connect();
  }

  disconnect() {
    this.#chat?.disconnect();
  }

  /** The underlying client, for pages that need more than the guide's callbacks. */
  get chat() {
    if (!this.#chat) throw new Error("call connect() first");
    return this.#chat;
  }

  /**
   * Join a conversation now and after every reconnect, and make it the target of the other methods.
   * @param {string} conversationId
   * @param {number} [afterSeq] `seq` of the last message that the page already shows
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
   * Send a message to the joined conversation; `ack` is called once, when it is stored or finally refused.
   * @param {string} text
   * @param {(ack: SendResult) => void} [ack]
   * @param {string} [clientMessageId] that of a refused message that is sent again, as it may be stored
   * @returns {string} the message's clientMessageId
   */
  sendMessage(text, ack, clientMessageId) {
    if (!this.#conversationId) throw new Error("call joinConversation() first");
    return this.chat.send(this.#conversationId, text, ack, clientMessageId);
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
   * Fetch a page of messages.
   * @param {{beforeSeq?: number, afterSeq?: number, limit?: number}} [page]
   */
  history(page) {
    return this.chat.history(this.#conversationId, page);
  }

  /**
   * Request a human agent instead of the bot.
   * @param {string} [reason]
   * @returns {Promise<{success: true, conversation: Conversation} | Refused | null>} null without a connection
   */
  handoff(reason) {
    return this.chat.call("handoff", { conversationId: this.#conversationId, ...(reason && { reason }) });
  }

  /**
   * Call back for the messages of the joined conversations, in order.
   * @param {(message: Message) => void} callback
   * @param {{includeOwn?: boolean}} [options] `includeOwn`: also for those that this tab sent, which the guide's example
   *   shows on their ack
   */
  onMessageReceived(callback, { includeOwn = false } = {}) {
    this.#register((chat) => chat.on("message", (message, { own }) => void ((own && !includeOwn) || callback(message))));
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

  /** Return the guide's client-side metrics: uptime, delivered messages, reconnects, errors and more. */
  stats() {
    return this.chat.stats();
  }

  /** @param {(chat: ChatClient) => void} subscribe */
  #register(subscribe) {
    this.#registrations.push(subscribe);
    if (this.#chat) subscribe(this.#chat);
  }
}

Object.assign(globalThis, { WidgetWebSocketHandler });
