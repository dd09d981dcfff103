/** The customer's session: the one this browser had before, or a new one. */

/** @import {Refused, SessionAck} from "../core/protocol.js" */

import { reconnectDelayMs } from "../core/backoff.js";
import { newId } from "../core/ids.js";
import { Rest, Unreachable } from "../core/rest.js";

const KEY = "chatws.session";

/** @typedef {{sessionId: string, userId: string, conversationId: string}} CustomerSession */

/**
 * Find or make it, however long the server is away; what goes on meanwhile is told in words.
 * @param {(text: string) => void} say
 * @returns {Promise<CustomerSession>}
 * @throws {Error} the server refuses, for a reason that waiting does not change
 */
export async function openSession(say) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const reply = (await resume()) ?? (await begin());
      if (reply.success) return remember(reply);
      if (!reply.error.retryable) throw new Error(reply.error.message);
    } catch (failure) {
      if (!(failure instanceof Unreachable)) throw failure;
    }
    say("The chat cannot be reached. Trying again…");
    await new Promise((resolve) => setTimeout(resolve, 500 + reconnectDelayMs(attempt, Math.random)));
  }
}

/** @returns {Promise<SessionAck | Refused | null>} null without a session that still counts */
async function resume() {
  const sessionId = stored();
  if (!sessionId) return null;
  const rest = new Rest("", () => ({ "X-Session-Id": sessionId }));
  const reply = await rest.get("/api/sessions/current");
  return reply.success || reply.error.retryable ? reply : null;
}

/** @returns {Promise<SessionAck | Refused>} */
const begin = () => new Rest("").post("/api/sessions");

/** @param {SessionAck} session */
function remember({ sessionId, userId, conversationId }) {
  try {
    localStorage.setItem(KEY, sessionId);
  } catch {
    // The browser keeps nothing for frames: the session lives as long as the page.
  }
  // In development any session id counts, also one that has no conversation yet: joining makes it.
  return { sessionId, userId, conversationId: conversationId ?? newId() };
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
