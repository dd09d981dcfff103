/** Customer session of this browser: the stored one, or a new one. */

/** @import {Refused, SessionAck} from "../core/protocol.js" */

import { reconnectDelayMs } from "../core/backoff.js";
import { newId } from "../core/ids.js";
import { RestClient, ServerUnreachable } from "../core/rest-client.js";
import { texts } from "../ui/texts.js";

const STORAGE_KEY = "chatws.session";
/** `seq` up to which the customer has read; unread.js counts the messages after it. */
const READ_KEY = "chatws.read";
/** User id, given by the site, of the stored session. */
const SUBJECT_KEY = "chatws.subject";

/** The visitor, as the embedding site identifies them; `identity` is a signed token and `subject` its user id.
 * @typedef {{name?: string, email?: string, identity?: string, subject?: string}} Visitor */

/** `isNew`: its conversation was just created and has no messages. `hasEmail`: agents know a mail address.
 * @typedef {{sessionId: string, userId: string, conversationId: string, isNew: boolean, hasEmail: boolean,
 *   agentsOnline: boolean}} CustomerSession */

/** Whether this browser has a session of the visitor. @param {Visitor} visitor */
export const hasSession = ({ subject = "" }) => stored(STORAGE_KEY) !== null && (stored(SUBJECT_KEY) ?? "") === subject;

/**
 * Resume the stored session or create one, and retry until the server responds.
 * @param {() => void} onRetry called before each retry
 * @param {Visitor} visitor
 * @returns {Promise<CustomerSession>}
 * @throws {Error} the server refused the session and a retry would be refused too
 */
export async function openSession(onRetry, visitor) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const resumed = await resume(visitor);
      const reply = resumed ?? (await create(visitor));
      if (reply.success) return store(reply, visitor, !resumed);
      if (!reply.error.retryable) throw new Error(reply.error.message);
    } catch (failure) {
      if (!(failure instanceof ServerUnreachable)) throw failure;
    }
    onRetry();
    await new Promise((resolve) => setTimeout(resolve, 500 + reconnectDelayMs(attempt, Math.random)));
  }
}

/**
 * @param {Visitor} visitor
 * @returns {Promise<SessionAck | Refused | null>} null without a valid stored session of this visitor
 */
async function resume(visitor) {
  const sessionId = stored(STORAGE_KEY);
  if (!sessionId || !hasSession(visitor)) return null;
  const rest = new RestClient("", () => ({ "X-Session-Id": sessionId }));
  const reply = await rest.get("/api/sessions/current");
  return reply.success || reply.error.retryable ? reply : null;
}

/**
 * @param {Visitor} visitor
 * @returns {Promise<SessionAck | Refused>}
 */
const create = ({ name, email, identity }) =>
  new RestClient("").post("/api/sessions", identity ? { identity } : { ...(name && { userName: name }), ...(email && { email }) });

/**
 * Store the customer's mail address; return why the server refused it, or an empty text.
 * @param {CustomerSession} session
 * @param {string} email
 */
export async function storeEmail({ sessionId }, email) {
  const rest = new RestClient("", () => ({ "X-Session-Id": sessionId }));
  const reply = await rest.post("/api/sessions/current/email", { email }).catch(() => null);
  if (!reply) return texts.cannotOpen;
  return reply.success ? "" : reply.error.message;
}

/** @param {number} seq */
export function storeReadSeq(seq) {
  try {
    localStorage.setItem(READ_KEY, String(seq));
  } catch {
    // As in `store`: the count starts again with the next page.
  }
}

/**
 * @param {SessionAck} session
 * @param {Visitor} visitor
 * @param {boolean} isNew
 * @returns {CustomerSession}
 */
function store({ sessionId, userId, conversationId, email, agentsOnline }, { identity, subject = "" }, isNew) {
  try {
    localStorage.setItem(STORAGE_KEY, sessionId);
    localStorage.setItem(SUBJECT_KEY, subject);
    if (isNew) localStorage.removeItem(READ_KEY);
  } catch {
    // Storage is denied to embedded frames: the session lasts as long as the page.
  }
  // In development mode a session may have no conversation yet; joining creates it.
  const isEmpty = isNew && !identity;
  return { sessionId, userId, conversationId: conversationId ?? newId(), isNew: isEmpty, hasEmail: Boolean(email), agentsOnline };
}

/** @param {string} key */
function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
