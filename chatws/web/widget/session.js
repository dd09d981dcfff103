/** Customer session of this browser: the stored one, or a new one. */

/** @import {Refused, SessionAck} from "../core/protocol.js" */

import { reconnectDelayMs } from "../core/backoff.js";
import { newId } from "../core/ids.js";
import { RestClient, ServerUnreachable } from "../core/rest-client.js";

const STORAGE_KEY = "chatws.session";
/** `seq` up to which the customer has read; unread.js counts the messages after it. */
const READ_KEY = "chatws.read";

/** `isNew`: just created, so that its conversation has no messages.
 * @typedef {{sessionId: string, userId: string, conversationId: string, isNew: boolean}} CustomerSession */

/**
 * Resume the stored session or create one, and retry until the server responds.
 * @param {() => void} onRetry called before each retry
 * @param {string} userName of a new customer; empty for a name chosen by the server
 * @returns {Promise<CustomerSession>}
 * @throws {Error} the server refused the session and a retry would be refused too
 */
export async function openSession(onRetry, userName) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const resumed = await resume();
      const reply = resumed ?? (await create(userName));
      if (reply.success) return store(reply, !resumed);
      if (!reply.error.retryable) throw new Error(reply.error.message);
    } catch (failure) {
      if (!(failure instanceof ServerUnreachable)) throw failure;
    }
    onRetry();
    await new Promise((resolve) => setTimeout(resolve, 500 + reconnectDelayMs(attempt, Math.random)));
  }
}

/** @returns {Promise<SessionAck | Refused | null>} null without a valid stored session */
async function resume() {
  const sessionId = storedSessionId();
  if (!sessionId) return null;
  const rest = new RestClient("", () => ({ "X-Session-Id": sessionId }));
  const reply = await rest.get("/api/sessions/current");
  return reply.success || reply.error.retryable ? reply : null;
}

/**
 * @param {string} userName
 * @returns {Promise<SessionAck | Refused>}
 */
const create = (userName) => new RestClient("").post("/api/sessions", userName ? { userName } : {});

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
 * @param {boolean} isNew
 * @returns {CustomerSession}
 */
function store({ sessionId, userId, conversationId }, isNew) {
  try {
    localStorage.setItem(STORAGE_KEY, sessionId);
    if (isNew) localStorage.removeItem(READ_KEY);
  } catch {
    // Storage is denied to embedded frames: the session lasts as long as the page.
  }
  // In development mode a session may have no conversation yet; joining creates it.
  return { sessionId, userId, conversationId: conversationId ?? newId(), isNew };
}

function storedSessionId() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
