/** Delays before reconnection attempts and request retries (contract: Errors and endings). */

const FIRST_CAP_MS = 500;
const SHORT_CAP_MS = 2_000;
const SHORT_CAP_ATTEMPTS = 15;
const LONG_CAP_MS = 10_000;

/**
 * Return the delay before connection attempt `attempt`, counted from 0: full jitter, so that many clients spread out.
 * @param {number} attempt
 * @param {() => number} random uniform in [0, 1)
 */
export function reconnectDelayMs(attempt, random) {
  const cap = attempt >= SHORT_CAP_ATTEMPTS ? LONG_CAP_MS : Math.min(SHORT_CAP_MS, FIRST_CAP_MS * 2 ** attempt);
  return random() * cap;
}

/**
 * Return the delay before a request is retried after its `attempt`th refusal: the server's value if it gave one,
 * otherwise half a second, doubled each time.
 * @param {number} attempt
 * @param {number} [retryAfterMs]
 */
export function retryDelayMs(attempt, retryAfterMs) {
  return retryAfterMs ?? Math.min(LONG_CAP_MS, 500 * 2 ** Math.min(attempt - 1, 10));
}
