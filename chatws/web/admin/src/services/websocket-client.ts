/** The guide's agent client: `adminWebSocket`, one connection for the whole dashboard. */

import { ChatClient } from "../../../core/chat.js";
import type { SendResult } from "../../../core/chat.js";
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
  /** Gets a fresh token when the old one runs out; null ends the connection. */
  renewToken?: () => Promise<string | null>;
  /** socket.io-client's `io`; the global one by default. */
  io?: Io;
  /** More options for `io`, such as `{transports: ["polling"]}`. */
  socketOptions?: object;
}

/** An agent's connection: what is sent while offline leaves after the reconnection, what was missed is caught up. */
export class AdminWebSocket {
  #chat: ChatClient | null = null;
  #token = "";
  /** What each callback's end is on the present client; none before the first `connect`. */
  #registered = new Map<(chat: ChatClient) => Unsubscribe, Unsubscribe | undefined>();

  /** Connect with a JWT; callbacks registered before or after hear the rest. */
  connect(token: string | null, apiUrl = "", options: AdminOptions = {}): void {
    if (!token) throw new Error("log in first: there is no token");
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
    });
    for (const register of this.#registered.keys()) this.#registered.set(register, register(this.#chat));
    this.#chat.connect();
  }

  disconnect(): void {
    this.#chat?.disconnect();
    this.#chat = null;
  }

  /** The client underneath, for pages that show more than these callbacks tell. */
  get chat(): ChatClient {
    if (!this.#chat) throw new Error("connect first");
    return this.#chat;
  }

  joinConversation(conversationId: string, afterSeq?: number): Promise<JoinAck> {
    return this.chat.join(conversationId, afterSeq);
  }

  leaveConversation(conversationId: string): void {
    this.chat.leave(conversationId);
  }

  /** Send; `ack` is called once, when the message is stored or finally refused. Returns its clientMessageId. */
  sendMessage(conversationId: string, content: string, ack?: (result: SendResult) => void): string {
    return this.chat.send(conversationId, content, ack);
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

  /** Follow the list of conversations, also on every later link; `onInbox` hears each answer. */
  subscribeInbox(filter: SubscribeInbox = {}): Promise<InboxAck | Refused | null> {
    return this.#call("subscribe_inbox", filter);
  }

  /** Choose online, away or busy, also on every later link. */
  setPresence(status: SetPresence["status"]): Promise<Ok | Refused | null> {
    return this.#call("set_presence", { status } satisfies SetPresence);
  }

  claimConversation(seen: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#change("claim_conversation", seen);
  }

  releaseConversation(seen: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#change("release_conversation", seen);
  }

  resolveConversation(seen: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#change("resolve_conversation", seen);
  }

  reopenConversation(seen: Conversation): Promise<ConversationAck | Refused | null> {
    return this.#change("reopen_conversation", seen);
  }

  /** Take a conversation from the bot and put it in the queue. */
  handoff(conversationId: string, reason?: string): Promise<ConversationAck | Refused | null> {
    return this.#call("handoff", { conversationId, ...(reason && { reason }) });
  }

  /** Messages of others; own ones are shown on their ack, and `onOwnMessage` hears them in order. */
  onMessageReceived(callback: (message: Message) => void): Unsubscribe {
    return this.#register((chat) => chat.on("message", (message, { own }) => void (own || callback(message))));
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

  /** Uptime, delivered, reconnects, errors and more: the guide's client-side metrics. */
  stats(): ReturnType<ChatClient["stats"]> {
    return this.chat.stats();
  }

  #change(name: Command, { conversationId, version }: Conversation): Promise<ConversationAck | Refused | null> {
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

  #register(register: (chat: ChatClient) => Unsubscribe): Unsubscribe {
    this.#registered.set(register, this.#chat ? register(this.#chat) : undefined);
    return () => {
      this.#registered.get(register)?.();
      this.#registered.delete(register);
    };
  }
}

const adminWebSocket = new AdminWebSocket();
export default adminWebSocket;
