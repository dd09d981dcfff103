"""How long to wait before the next attempt to connect (contract: Errors and endings)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_CAP_S = 0.5
QUICK_CAP_S = 2.0
QUICK_ATTEMPTS = 15
PATIENT_CAP_S = 10.0


def reconnect_delay_s(attempt: int, rng: Random) -> float:
    """Draw the delay before attempt number ``attempt``, counted from 0: full jitter, so that crowds spread out."""
    if attempt >= QUICK_ATTEMPTS:
        return rng.uniform(0, PATIENT_CAP_S)
    return rng.uniform(0, min(QUICK_CAP_S, FIRST_CAP_S * 2.0**attempt))


def retry_delay_s(attempt: int, retry_after_ms: int | None) -> float:
    """Say when to repeat a request refused for the ``attempt``th time: the server's word, or half a second doubling."""
    if retry_after_ms is not None:
        return retry_after_ms / 1000
    return min(PATIENT_CAP_S, 0.5 * 2.0 ** min(attempt - 1, 10))
