/** How long to wait before trying again (contract: Errors and endings). */

const FIRST_CAP_MS = 500;
const QUICK_CAP_MS = 2_000;
const QUICK_ATTEMPTS = 15;
const PATIENT_CAP_MS = 10_000;

/**
 * Draw the delay before connection attempt `attempt`, counted from 0: full jitter, so that crowds spread out.
 * @param {number} attempt
 * @param {() => number} random uniform in [0, 1)
 */
export function reconnectDelayMs(attempt, random) {
  const cap = attempt >= QUICK_ATTEMPTS ? PATIENT_CAP_MS : Math.min(QUICK_CAP_MS, FIRST_CAP_MS * 2 ** attempt);
  return random() * cap;
}

/**
 * Say when to repeat a request refused for the `attempt`th time: the server's word, or half a second doubling.
 * @param {number} attempt
 * @param {number} [retryAfterMs]
 */
export function retryDelayMs(attempt, retryAfterMs) {
  return retryAfterMs ?? Math.min(PATIENT_CAP_MS, 500 * 2 ** Math.min(attempt - 1, 10));
}
