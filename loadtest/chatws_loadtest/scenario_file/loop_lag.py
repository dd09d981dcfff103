"""Measurement of delays of this program's event loop, which would look like delays of the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from chatws_loadtest.scenario_file.event_log import now_s

INTERVAL_S: Final = 0.01
WORTH_NOTING_S: Final = 0.005
MAX_NOTED: Final = 10_000


class LoopLag:
    """Delays of the event loop, with the time of each."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque(maxlen=MAX_NOTED)

    @classmethod
    @asynccontextmanager
    async def measured(cls) -> AsyncIterator[Self]:
        """Yield a measurement that runs until the end of the block."""
        lag = cls()
        task = asyncio.create_task(lag._measure())
        try:
            yield lag
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def longest_since(self, since_s: float) -> float:
        """Return the longest delay since a time, in seconds."""
        return max((lag_s for at_s, lag_s in self._noted if at_s >= since_s), default=0.0)

    async def _measure(self) -> None:
        while True:
            before_s = now_s()
            await asyncio.sleep(INTERVAL_S)
            lag_s = now_s() - before_s - INTERVAL_S
            if lag_s > WORTH_NOTING_S:
                self._noted.append((before_s + lag_s, lag_s))
