"""Delays before reconnects and retries (contract: Errors and endings)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_CAP_S = 0.5
QUICK_CAP_S = 2.0
QUICK_ATTEMPTS = 15
SLOW_CAP_S = 10.0


def reconnect_delay_s(attempt: int, rng: Random) -> float:
    """Draw the delay before attempt ``attempt``, counted from 0, with full jitter: mass reconnects spread out."""
    if attempt >= QUICK_ATTEMPTS:
        return rng.uniform(0, SLOW_CAP_S)
    return rng.uniform(0, min(QUICK_CAP_S, FIRST_CAP_S * 2.0**attempt))


def retry_delay_s(attempt: int, retry_after_ms: int | None) -> float:
    """Return the delay after the ``attempt``th refusal: the server's, or exponential from 0.5 s."""
    if retry_after_ms is not None:
        return retry_after_ms / 1000
    return min(SLOW_CAP_S, 0.5 * 2.0 ** min(attempt - 1, 10))
