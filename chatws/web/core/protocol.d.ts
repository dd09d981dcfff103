// Written by `python -m chatws.protocol.typescript` from the tables in chatws/protocol: change those, then run it.

export type ErrorCode =
  | "bad_request"
  | "unknown_event"
  | "unauthorized"
  | "token_expired"
  | "session_expired"
  | "forbidden"
  | "not_found"
  | "not_joined"
  | "conflict"
  | "idempotency_conflict"
  | "rate_limited"
  | "connection_limit"
  | "too_large"
  | "timeout"
  | "storage_unavailable"
  | "draining"
  | "slow"
  | "internal";

/** Credentials: a JWT (agent) or a session id (customer), exactly one of them. */
export interface Authenticate {
  token?: string;
  sessionId?: string;
}

/** `authenticate` and `refresh_token`. */
export interface AuthAck {
  success: true;
  userId: string;
  userName: string;
  role: "admin" | "bot" | "customer";
  expiresAt: string;
}

/** A fresh JWT for the same subject and role. */
export interface RefreshToken {
  token: string;
}

/** Join, and catch up after `afterSeq` when the client still knows this database's `epoch`. */
export interface JoinConversation {
  conversationId: string;
  afterSeq?: number;
  epoch?: string;
}

/** The state of the conversation, and what the client missed. `recovered: false` means that the client's position is not of this database: it reloads. */
export interface JoinAck {
  success: true;
  conversation: Conversation;
  epoch: string;
  recovered: boolean;
  messages: Message[];
  hasMore: boolean;
  readMarks: ReadMark[];
  typing: Array<string>;
  presence: Presence[];
}

/** One customer's conversation as agents see it; `version` rises with every change of status or assignee. */
export interface Conversation {
  conversationId: string;
  status: "assigned" | "bot" | "queued" | "resolved";
  version: number;
  customer: User;
  assignee: User | null;
  createdAt: string;
  updatedAt: string;
  headSeq: number;
  lastMessage: Message | null;
}

/** Somebody who can speak (guide: MessageData.sender). */
export interface User {
  userId: string;
  userName: string;
  role: "admin" | "bot" | "customer";
}

/** The guide's MessageData with the id, the sequence number, and the sender's own id for it. */
export interface Message {
  conversationId: string;
  content: string;
  sender: User;
  timestamp: string;
  messageId: string;
  seq: number;
  clientMessageId?: string;
}

/** A user has read everything up to and including `seq`. */
export interface ReadMark {
  userId: string;
  seq: number;
}

/** Where a user stands; `timestamp` is when that began. */
export interface Presence {
  userId: string;
  status: "away" | "busy" | "offline" | "online";
  timestamp: string;
}

/** Done; nothing more to say. */
export interface Ok {
  success: true;
}

/** A message; repeat it with the same `clientMessageId` until it is acked. */
export interface SendMessage {
  conversationId: string;
  content: string;
  clientMessageId?: string;
}

/** The message is stored for good; `duplicate` when it already was. */
export interface SendAck {
  success: true;
  messageId: string;
  seq: number;
  timestamp: string;
  duplicate?: boolean;
}

/** A page before or after a `seq` (both exclusive); the newest page when neither is given. */
export interface History {
  conversationId: string;
  beforeSeq?: number;
  afterSeq?: number;
  limit?: number;
}

/** A page of messages in ascending order. */
export interface HistoryAck {
  success: true;
  messages: Message[];
  hasMoreBefore: boolean;
  hasMoreAfter: boolean;
  headSeq: number;
}

/** Everything up to and including `seq` has been read. */
export interface MarkRead {
  conversationId: string;
  seq: number;
}

/** Where the reader's mark stands now. */
export interface MarkAck {
  success: true;
  seq: number;
}

/** The user's own choice; busy goes before any online, online before away. */
export interface SetPresence {
  status: "away" | "busy" | "online";
}

/** Follow the list of conversations, all or those of one status or assignee. */
export interface SubscribeInbox {
  status?: "assigned" | "bot" | "queued" | "resolved";
  assignee?: string;
}

/** The conversations an agent follows and the presence of the people in them. */
export interface InboxAck {
  success: true;
  conversations: Conversation[];
  presence: Presence[];
}

/** Claim, release, resolve, reopen, or give to the bot the `version` of a conversation that the agent has seen. */
export interface ChangeConversation {
  conversationId: string;
  version: number;
}

/** A conversation as it is now. */
export interface ConversationAck {
  success: true;
  conversation: Conversation;
}

/** Take a conversation from the bot and put it in the agents' queue. */
export interface Handoff {
  conversationId: string;
  reason?: string;
}

/** REST: an agent's email address and password. */
export interface Login {
  email: string;
  password: string;
}

/** REST: a token and whose it is. */
export interface LoginAck {
  success: true;
  token: string;
  expiresAt: string;
  user: User;
}

/** REST: a request that says everything by its place. */
export interface Nothing {
}

/** REST: a new customer, with the name that agents will see. */
export interface StartSession {
  userName?: string;
}

/** REST: a customer's session. */
export interface SessionAck {
  success: true;
  sessionId: string;
  userId: string;
  userName: string;
  conversationId: string | null;
  expiresAt: string;
}

/** REST: a page of conversations, last changed first; `cursor` is what the page before returned. */
export interface ListConversations {
  status?: "assigned" | "bot" | "queued" | "resolved";
  assignee?: string;
  cursor?: string;
  limit?: number;
}

/** REST: a page of conversations; `cursor` leads to the next one. */
export interface ConversationList {
  success: true;
  conversations: Conversation[];
  cursor: string | null;
}

/** REST: an agent starts a conversation with a customer. */
export interface StartConversation {
  customerId: string;
}

/** REST: one conversation. */
export interface ConversationRef {
  conversationId: string;
}

/** REST: the guide's initial load; without a conversation, the session's own. */
export interface LoadMessages {
  conversationId?: string;
  beforeSeq?: number;
  afterSeq?: number;
  limit?: number;
}

/** REST: the guide's `POST /api/coze/chat`. */
export interface BotQuestion {
  message: string;
  conversationId?: string;
  clientMessageId?: string;
}

/** REST: the customer's message is stored; `reply` is the bot's, unless a human holds the conversation. */
export interface BotAck {
  success: true;
  messageId: string;
  answered: boolean;
  reply?: Message;
}

/** REST: an event for every connection of one user (guide: `sendToUser`). */
export interface Notify {
  userId: string;
  event: string;
  payload?: unknown;
}

/** REST: how many of this server's connections the event was handed to. */
export interface NotifyAck {
  success: true;
  connections: number;
}

/** Who the connection is, until when, and on which database (`epoch`). */
export interface Authenticated {
  userId: string;
  userName: string;
  role: "admin" | "bot" | "customer";
  expiresAt: string;
  serverTime: string;
  epoch: string;
  timers: Timers;
}

/** The server's timers, so that clients need not guess; milliseconds. */
export interface Timers {
  typingResendMs: number;
  typingExpireMs: number;
  presenceGraceMs: number;
  positionsMs: number;
}

/** The connection is in the conversation's room. */
export interface JoinedConversation {
  conversationId: string;
}

/** The connection has left the conversation's room. */
export interface LeftConversation {
  conversationId: string;
}

/** Somebody else in the conversation began or stopped typing. */
export interface TypingIndicator {
  conversationId: string;
  userId: string;
  userName: string;
  isTyping: boolean;
}

/** The `error` event: a request without an ack callback failed, or the connection is about to end. */
export interface Failed {
  message: string;
  code: ErrorCode;
  event?: string;
}

/** A member has read up to `seq`. */
export interface MessageRead {
  conversationId: string;
  userId: string;
  seq: number;
  timestamp: string;
}

/** A conversation's status, assignee, head or last message changed. */
export interface ConversationUpdated {
  conversation: Conversation;
}

/** The bot had no answer (`reason` is one word), or a conversation left it for a human, and why if it is known. */
export interface BotNotice {
  conversationId: string;
  kind: "failed" | "handed_off";
  timestamp: string;
  reason?: string;
}

/** The token runs out soon; `refresh_token` renews it on the live connection. */
export interface AuthExpiring {
  inMs: number;
}

/** This server stops; the connection will be closed, come back after `retryAfterMs`. */
export interface ServerDraining {
  retryAfterMs: number;
}

/** Not done, and why; a lost race brings the conversation as it is now. */
export interface Refused {
  error: ErrorBody;
  success: false;
  conversation?: Conversation;
}

/** The `error` of a refused request. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
}

/** What the server says; for `Socket` of socket.io-client. */
export interface ServerToClientEvents {
  /** The credentials were accepted. */
  authenticated: (payload: Authenticated) => void;
  /** The room was joined. */
  joined_conversation: (payload: JoinedConversation) => void;
  /** The room was left. */
  left_conversation: (payload: LeftConversation) => void;
  /** A message was stored in a joined conversation. */
  message_received: (payload: Message) => void;
  /** Somebody began or stopped typing. */
  typing_indicator: (payload: TypingIndicator) => void;
  /** Somebody's presence changed. */
  presence_update: (payload: Presence) => void;
  /** A request without ack failed, or the connection ends. */
  error: (payload: Failed) => void;
  /** A member's read mark moved. */
  message_read: (payload: MessageRead) => void;
  /** A conversation changed. */
  conversation_updated: (payload: ConversationUpdated) => void;
  /** For inboxes: the bot failed, or handed a conversation off. */
  bot_notice: (payload: BotNotice) => void;
  /** Heads of the joined conversations, every 30 s. */
  positions: (payload: Record<string, number>) => void;
  /** The token runs out within a minute. */
  auth_expiring: (payload: AuthExpiring) => void;
  /** The server is stopping. */
  server_draining: (payload: ServerDraining) => void;
}

/** What a client asks for; for `Socket` of socket.io-client. */
export interface ClientToServerEvents {
  /** Give credentials after connecting without any. */
  authenticate: (payload: Authenticate, ack?: (reply: AuthAck | Refused) => void) => void;
  /** Renew the token of a live connection. */
  refresh_token: (payload: RefreshToken, ack?: (reply: AuthAck | Refused) => void) => void;
  /** Join a conversation's room and catch up. */
  join_conversation: (payload: string | JoinConversation, ack?: (reply: JoinAck | Refused) => void) => void;
  /** Leave a conversation's room. */
  leave_conversation: (payload: string, ack?: (reply: Ok | Refused) => void) => void;
  /** Send a message; acked once it is stored. */
  send_message: (payload: SendMessage, ack?: (reply: SendAck | Refused) => void) => void;
  /** Typing has begun or goes on. */
  typing_start: (payload: string, ack?: (reply: Ok | Refused) => void) => void;
  /** Typing has stopped. */
  typing_stop: (payload: string, ack?: (reply: Ok | Refused) => void) => void;
  /** Read a page of messages. */
  history: (payload: History, ack?: (reply: HistoryAck | Refused) => void) => void;
  /** Move the own read mark forward. */
  mark_read: (payload: MarkRead, ack?: (reply: MarkAck | Refused) => void) => void;
  /** Choose online, away or busy. */
  set_presence: (payload: SetPresence, ack?: (reply: Ok | Refused) => void) => void;
  /** Follow the list of conversations. */
  subscribe_inbox: (payload?: SubscribeInbox, ack?: (reply: InboxAck | Refused) => void) => void;
  /** Take a conversation. */
  claim_conversation: (payload: ChangeConversation, ack?: (reply: ConversationAck | Refused) => void) => void;
  /** Put a conversation back in the queue. */
  release_conversation: (payload: ChangeConversation, ack?: (reply: ConversationAck | Refused) => void) => void;
  /** Close a conversation. */
  resolve_conversation: (payload: ChangeConversation, ack?: (reply: ConversationAck | Refused) => void) => void;
  /** Put a closed conversation back in the queue. */
  reopen_conversation: (payload: ChangeConversation, ack?: (reply: ConversationAck | Refused) => void) => void;
  /** Hand a conversation from the bot to the agents' queue. */
  handoff: (payload: Handoff, ack?: (reply: ConversationAck | Refused) => void) => void;
  /** Hand a queued or assigned conversation to the bot, which answers what was asked last. */
  assign_bot: (payload: ChangeConversation, ack?: (reply: ConversationAck | Refused) => void) => void;
}
