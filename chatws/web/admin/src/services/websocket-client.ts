/** Agent client of the guide: `adminWebSocket`, the single connection of a dashboard. */

import { ChatClient } from "../../../core/chat-client.js";
import type { SendResult } from "../../../core/chat-client.js";
import { logToConsole } from "../../../core/debug-log.js";
import { tabStorage } from "../../../core/tab-storage.js";
import type { ConnectionDetail, ConnectionState } from "../../../core/connection.js";
import type {
  ClientToServerEvents,
  Conversation,
  ConversationAck,
  Failed,
  HistoryAck,
  InboxAck,
  JoinAck,
  Message,
  MessageRead,
  Ok,
  Presence,
  Refused,
  SetPresence,
  SubscribeInbox,
  TypingIndicator,
} from "../../../core/protocol.js";

export type * from "../../../core/protocol.js";
export type { ConnectionState, SendResult };

type Unsubscribe = () => void;
type Io = (url: string, options: object) => unknown;
type Command = keyof ClientToServerEvents;

export interface AdminOptions {
  /** Fetches a fresh token when the current one expires; null ends the connection. */
  renewToken?: () => Promise<string | null>;
  /** socket.io-client's `io`; the global one by default. */
  io?: Io;
  /** More options for `io`, such as `{transports: ["polling"]}`. */
  socketOptions?: object;
  /** Keeps unsent messages when the page is reloaded; by default the tab's session storage. */
  storage?: Storage | null;
  /** Log connections, messages and errors on the console, as `[WebSocket] …`. */
  debug?: boolean;
}

/**
 * Connection of an agent: queues messages while disconnected, also across page reloads, reconnects, and catches up on
 * missed messages.
 */
export class AdminWebSocket {
  #chat: ChatClient | null = null;
  #token = "";
  /** Registrations by callback, with the function that removes each from the current client. */
  #registrations = new Map<(chat: ChatClient) => Unsubscribe, Unsubscribe | undefined>();

  /** Connect with a JWT; callbacks can be registered before or after. */
  connect(token: string | null, apiUrl = "", options: AdminOptions = {}): void {
    if (!token) throw new Error("no token: log in first");
    const io = options.io ?? (Reflect.get(globalThis, "io") as Io | undefined);
    if (!io) throw new Error("load /socket.io/socket.io.js before connecting");
    this.#chat?.disconnect();
    this.#token = token;
    this.#chat = new ChatClient({
      io,
      url: apiUrl,
      auth: () => ({ token: this.#token }),
      renewToken: options.renewToken ? () => this.#renew(options.renewToken!) : null,
      socketOptions: options.socketOptions,
      storage: options.storage === undefined ? tabStorage() : options.storage,
      // A key per agent: the client of the next agent in this tab must not send this agent's messages.
      storageKey: `chatws.outbox.${subjectOf(token)}`,
    });
    if (options.debug) logToConsole(this.#chat);
    for (const subscribe of this.#registrations.keys()) this.#registrations.set(subscribe, subscribe(this.#chat));
    this.#chat.connect();
  }

  disconnect(): void {
    this.#chat?.disconnect();
    this.#chat = null;
  }

  /** The underlying client, for pages that need more than these callbacks. */
  get chat(): ChatClient {
    if (!this.#chat) throw new Error("call connect() first");
    return this.#chat;
  }

  joinConversation(conversationId: string, afterSeq?: number): Promise<JoinAck> {
    return this.chat.join(conversationId, afterSeq);
  }

  leaveConversation(conversationId: string): void {
    this.chat.leave(conversationId);
  }

  /**
   * Send a message and return its clientMessageId; `ack` is called once, when it is stored or finally refused. A refused
   * message that is sent again keeps its id: it may be stored.
   */
  sendMessage(
    conversationId: string,
    content: string,
    ack?: (result: SendResult) => void,
    clientMessageId?: string,
  ): string {
    return this.chat.send(conversationId, content, ack, clientMessageId);
  }

  sendTypingStart(conversationId: string): void {
    this.chat.typing(conversationId, true);
  }

  sendTypingStop(conversationId: string): void {
    this.chat.typing(conversationId, false);
  }

  markRead(conversationId: string, seq: number): void {
    this.chat.markRead(conversationId, seq);
  }

  history(conversationId: string, page: { beforeSeq?: number; afterSeq?: number; limit?: number } = {}) {
    return this.chat.history(conversationId, page) as Promise<HistoryAck | Refused>;
  }

  /** Subscribe to the list of conversations, also after every reconnect; each reply is passed to `onInbox`. */
  subscribeInbox(filter: SubscribeInbox = {}): Promise<InboxAck | Refused | null> {
    return this.#call("subscribe_inbox", filter);
  }

  /** Set the presence to online, away or busy, also after every reconnect. */
  setPresence(status: SetPresence["status"]): Promise<Ok | Refused | null> {
    return this.#call("set_presence", { status } satisfies SetPresence);
  }

  claimConversation(conversation: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#transition("claim_conversation", conversation);
  }

  releaseConversation(conversation: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#transition("release_conversation", conversation);
  }

  resolveConversation(conversation: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#transition("resolve_conversation", conversation);
  }

  reopenConversation(conversation: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#transition("reopen_conversation", conversation);
  }

  /** Move a conversation from the bot to the queue. */
  handoff(conversationId: string, reason?: string): Promise<ConversationAck | Refused | null> {
    return this.#call("handoff", { conversationId, ...(reason && { reason }) });
  }

  /**
   * Called for the messages of the joined conversations, in order; with `includeOwn` also for those that this tab sent,
   * which the guide's example shows on their ack.
   */
  onMessageReceived(callback: (message: Message) => void, { includeOwn = false } = {}): Unsubscribe {
    return this.#register((chat) =>
      chat.on("message", (message, { own }) => void ((own && !includeOwn) || callback(message))),
    );
  }

  onOwnMessage(callback: (message: Message) => void): Unsubscribe {
    return this.#register((chat) => chat.on("message", (message, { own }) => void (own && callback(message))));
  }

  onTypingIndicator(callback: (indicator: TypingIndicator) => void): Unsubscribe {
    return this.#register((chat) => chat.on("typing", callback));
  }

  onPresenceUpdate(callback: (presence: Presence) => void): Unsubscribe {
    return this.#register((chat) => chat.on("presence", callback));
  }

  onConnectionChange(callback: (state: ConnectionState, detail: ConnectionDetail) => void): Unsubscribe {
    return this.#register((chat) => chat.on("connection", callback));
  }

  onMessageRead(callback: (mark: Omit<MessageRead, "timestamp">) => void): Unsubscribe {
    return this.#register((chat) => chat.on("read", callback));
  }

  onConversationUpdated(callback: (conversation: Conversation) => void): Unsubscribe {
    return this.#register((chat) => chat.on("conversation", callback));
  }

  onInbox(callback: (inbox: InboxAck) => void): Unsubscribe {
    return this.#register((chat) => chat.on("inbox", callback));
  }

  onError(callback: (failed: Failed) => void): Unsubscribe {
    return this.#register((chat) => chat.on("error", callback));
  }

  /** Return the guide's client-side metrics: uptime, delivered messages, reconnects, errors and more. */
  stats(): ReturnType<ChatClient["stats"]> {
    return this.chat.stats();
  }

  #transition(name: Command, { conversationId, version }: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#call(name, { conversationId, version });
  }

  #call<Reply>(name: Command, payload: object): Promise<Reply | Refused | null> {
    return this.chat.call(name, payload) as Promise<Reply | Refused | null>;
  }

  async #renew(renewToken: () => Promise<string | null>): Promise<string | null> {
    const token = await renewToken();
    if (token) this.#token = token;
    return token;
  }

  #register(subscribe: (chat: ChatClient) => Unsubscribe): Unsubscribe {
    this.#registrations.set(subscribe, this.#chat ? subscribe(this.#chat) : undefined);
    return () => {
      this.#registrations.get(subscribe)?.();
      this.#registrations.delete(subscribe);
    };
  }
}

/** Return the agent's id from a JWT, which only the server verifies; the end of the token if it cannot be read. */
function subjectOf(token: string): string {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return String((JSON.parse(atob(payload)) as { sub: unknown }).sub);
  } catch {
    return token.slice(-12);
  }
}

const adminWebSocket = new AdminWebSocket();
export default adminWebSocket;
