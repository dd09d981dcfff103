/** Customer session of this browser: the stored one, or a new one. */

/** @import {Refused, SessionAck} from "../core/protocol.js" */

import { reconnectDelayMs } from "../core/backoff.js";
import { newId } from "../core/ids.js";
import { RestClient, ServerUnreachable } from "../core/rest-client.js";

const STORAGE_KEY = "chatws.session";

/** `isNew`: just created, so that its conversation has no messages.
 * @typedef {{sessionId: string, userId: string, conversationId: string, isNew: boolean}} CustomerSession */

/**
 * Resume the stored session or create one, and retry until the server responds.
 * @param {(text: string) => void} showStatus called with a text for the customer before each retry
 * @returns {Promise<CustomerSession>}
 * @throws {Error} the server refused the session and a retry would be refused too
 */
export async function openSession(showStatus) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const resumed = await resume();
      const reply = resumed ?? (await create());
      if (reply.success) return store(reply, !resumed);
      if (!reply.error.retryable) throw new Error(reply.error.message);
    } catch (failure) {
      if (!(failure instanceof ServerUnreachable)) throw failure;
    }
    showStatus("The chat cannot be reached. Trying again…");
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

/** @returns {Promise<SessionAck | Refused>} */
const create = () => new RestClient("").post("/api/sessions");

/**
 * @param {SessionAck} session
 * @param {boolean} isNew
 * @returns {CustomerSession}
 */
function store({ sessionId, userId, conversationId }, isNew) {
  try {
    localStorage.setItem(STORAGE_KEY, sessionId);
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
