"""Open schedule of a load: messages are sent at fixed times, however late the server's replies are."""

from __future__ import annotations

import asyncio
import time
from typing import Final

MAX_LAG_P99_MS: Final = 20.0
"""Highest p99 of the generator's lag in a valid run; above it, the run measures the generator's delay."""

LATE_SENDS_PER_ITERATION: Final = 50
"""A late generator yields to the event loop after this many sends, so that it continues to read."""

clock_s = time.perf_counter


class Pacer:
    """Waits for the scheduled times of one load; a time in the past is not waited for."""

    def __init__(self) -> None:
        self._late_sends = 0
        """Consecutive sends without a wait."""

    async def wait_until(self, scheduled_s: float) -> None:
        """Return at this time of `clock_s`."""
        wait_s = scheduled_s - clock_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            self._late_sends = 0
            return
        self._late_sends += 1
        if self._late_sends % LATE_SENDS_PER_ITERATION == 0:
            await asyncio.sleep(0)
