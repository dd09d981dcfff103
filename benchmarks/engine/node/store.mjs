// Users, sessions, conversations and messages in SQLite (WAL, synchronous=FULL).
import { createHash, randomBytes, randomUUID } from "node:crypto";
import Database from "libsql";

const SESSION_MS = 30 * 24 * 3_600_000;
const PAGE_MESSAGES = 300;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS users (
  user_id TEXT PRIMARY KEY, user_name TEXT NOT NULL, role TEXT NOT NULL, created_at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
  session_sha256 TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, expires_at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS conversations (
  conversation_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES users, head_seq INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  conversation_id TEXT NOT NULL REFERENCES conversations, seq INTEGER NOT NULL, message_id TEXT NOT NULL,
  sender_id TEXT NOT NULL, sender_name TEXT NOT NULL, sender_role TEXT NOT NULL, content TEXT NOT NULL,
  client_message_id TEXT, created_at_ms INTEGER NOT NULL, PRIMARY KEY (conversation_id, seq)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_message_per_client_id
  ON messages (client_message_id, conversation_id, sender_id) WHERE client_message_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS recent_conversations ON conversations (updated_at_ms, conversation_id);
`;

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

export class Store {
  #db;
  #statements;
  // Heads of the conversations that have members: this process is the only writer of the file.
  #heads = new Map();

  constructor(path) {
    this.#db = new Database(path);
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"]) this.#db.pragma(pragma);
    this.#db.exec(SCHEMA);
    this.#db.prepare("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING").run(randomUUID());
    this.epoch = this.#db.prepare("SELECT value FROM meta WHERE name = 'epoch'").raw().get()[0];
    this.#statements = this.#prepare();
  }

  createSession(now) {
    const sessionId = randomBytes(24).toString("base64url");
    const userId = randomUUID();
    const conversationId = randomUUID();
    this.#commit(() => {
      this.#statements.addUser.run(userId, "Customer", "customer", now);
      this.#statements.addSession.run(sha256(sessionId), userId, now + SESSION_MS);
      this.#statements.addConversation.run(conversationId, userId, now, now);
    });
    return { sessionId, conversationId, userId };
  }

  // Return the user and the expiry of a session, or undefined.
  findSession(sessionId) {
    const row = this.#statements.session.get(sha256(sessionId));
    return row && { user: { userId: row[0], userName: row[1], role: row[2] }, expiresAtMs: row[3] };
  }

  // Store an agent who is seen for the first time, and return the stored user.
  ensureAgent(userId, userName, now) {
    const row = this.#statements.user.get(userId);
    if (row === undefined) this.#statements.addUser.run(userId, userName, "admin", now);
    return { userId, userName: row?.[0] ?? userName, role: row?.[1] ?? "admin" };
  }

  findConversation(conversationId) {
    const row = this.#statements.conversation.get(conversationId);
    if (row === undefined) return undefined;
    const [customerId, headSeq, createdAt, updatedAt, userName, role] = row;
    return { conversationId, headSeq, createdAt, updatedAt, customer: { userId: customerId, userName, role } };
  }

  messagesAfter(conversationId, afterSeq) {
    return this.#statements.after.all(conversationId, afterSeq, PAGE_MESSAGES).map((row) => ({
      conversationId,
      content: row[4],
      sender: { userId: row[1], userName: row[2], role: row[3] },
      timestamp: new Date(row[6]).toISOString(),
      messageId: row[0],
      seq: row[7],
      clientMessageId: row[5] ?? undefined,
    }));
  }

  // Store messages in one transaction; return for each {messageId, seq, createdAt}, with `duplicate` for a repeated
  // client message id, or {conflict: true} if its content differs. The messages are durable when this returns.
  append(drafts) {
    const changed = new Set();
    try {
      return this.#commit(() => {
        const outcomes = drafts.map((draft) => this.#insert(draft, changed));
        for (const id of changed) this.#statements.moveHead.run(this.#heads.get(id), drafts.at(-1).createdAt, id);
        return outcomes;
      });
    } catch (error) {
      this.#heads.clear(); // they may be ahead of the rows
      throw error;
    }
  }

  forget(conversationId) {
    this.#heads.delete(conversationId);
  }

  #insert({ conversationId, sender, content, clientMessageId, createdAt }, changed) {
    const seq = this.#head(conversationId) + 1;
    const messageId = randomUUID();
    const key = clientMessageId ?? null;
    const { userId, userName, role } = sender;
    const values = [conversationId, seq, messageId, userId, userName, role, content, key, createdAt];
    if (this.#statements.addMessage.run(...values).changes) {
      this.#heads.set(conversationId, seq);
      changed.add(conversationId);
      return { messageId, seq, createdAt };
    }
    const first = this.#statements.repeated.get(clientMessageId, conversationId, userId);
    if (first[3] !== content) return { conflict: true };
    return { messageId: first[0], seq: first[1], createdAt: first[2], duplicate: true };
  }

  #head(conversationId) {
    return this.#heads.get(conversationId) ?? this.#statements.head.get(conversationId)[0];
  }

  #commit(write) {
    this.#statements.begin.run();
    try {
      const result = write();
      this.#statements.commit.run();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #prepare() {
    const change = (sql) => this.#db.prepare(sql);
    const query = (sql) => this.#db.prepare(sql).raw();
    return {
      begin: change("BEGIN IMMEDIATE"),
      commit: change("COMMIT"),
      addUser: change("INSERT INTO users VALUES (?, ?, ?, ?)"),
      addSession: change("INSERT INTO sessions VALUES (?, ?, ?)"),
      addConversation: change("INSERT INTO conversations VALUES (?, ?, 0, ?, ?)"),
      addMessage: change(
        `INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (client_message_id, conversation_id, sender_id) WHERE client_message_id IS NOT NULL DO NOTHING`,
      ),
      moveHead: change("UPDATE conversations SET head_seq = ?, updated_at_ms = ? WHERE conversation_id = ?"),
      user: query("SELECT user_name, role FROM users WHERE user_id = ?"),
      session: query(
        `SELECT user_id, user_name, role, expires_at_ms FROM sessions JOIN users USING (user_id)
         WHERE session_sha256 = ?`,
      ),
      head: query("SELECT head_seq FROM conversations WHERE conversation_id = ?"),
      conversation: query(
        `SELECT customer_id, head_seq, c.created_at_ms, updated_at_ms, user_name, role
         FROM conversations AS c JOIN users ON user_id = customer_id WHERE conversation_id = ?`,
      ),
      repeated: query(
        `SELECT message_id, seq, created_at_ms, content FROM messages
         WHERE client_message_id = ? AND conversation_id = ? AND sender_id = ?`,
      ),
      after: query(
        `SELECT message_id, sender_id, sender_name, sender_role, content, client_message_id, created_at_ms, seq
         FROM messages WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
      ),
    };
  }
}
