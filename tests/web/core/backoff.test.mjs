import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectDelayMs, retryDelayMs } from "../../../chatws/web/core/backoff.js";

test("delays use the whole range below the contract's caps", () => {
  assert.deepEqual([0, 1, 2, 5, 14].map((n) => reconnectDelayMs(n, () => 0.999999) | 0), [499, 999, 1999, 1999, 1999]);
  assert.equal(reconnectDelayMs(15, () => 0.999999) | 0, 9999);
  assert.equal(reconnectDelayMs(3, () => 0), 0);
  assert.deepEqual([retryDelayMs(1), retryDelayMs(2), retryDelayMs(99), retryDelayMs(1, 70)], [500, 1000, 10000, 70]);
});
