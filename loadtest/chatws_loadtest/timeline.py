"""Timeline of a scenario run: its phases, and marks at each action on the server or the load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from chatws_loadtest.results import TimelineMark
from chatws_loadtest.stats_collector import StatsCollector

CONNECTING: Final = "connecting"
POLL_S: Final = 0.05

now_s = time.perf_counter


class Timeline:
    """Current phase of a scenario run, the time left in it, and the marks so far."""

    def __init__(self, scenario: str, users: int, stats: StatsCollector) -> None:
        self.scenario = scenario
        self.users = users
        """Users that the scenario simulates; once it has begun, only those that are connected."""
        self.stats = stats
        self.phase = "starting"
        """Description of the current phase, for the progress display."""
        self.marks: list[TimelineMark] = []
        # Set by `hold`: its duration and its end.
        self._hold: tuple[float, float] | None = None

    @property
    def hold_progress_s(self) -> tuple[float, float] | None:
        """Duration of the current `hold` and the time left; None outside of one."""
        return None if self._hold is None else (self._hold[0], max(0.0, self._hold[1] - now_s()))

    def enter(self, phase: str) -> None:
        """Begin a phase of unknown duration."""
        self.phase, self._hold = phase, None

    def mark(self, what: str) -> float:
        """Add a mark at the current time, and return the time."""
        at_s = now_s()
        self.marks.append(TimelineMark(at=round(at_s - self.stats.start_s, 3), what=what))
        return at_s

    async def hold(self, seconds: float) -> None:
        """Keep the current load for this time."""
        self._hold = seconds, now_s() + seconds
        await asyncio.sleep(seconds)
        self._hold = None

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition is true; return False after the timeout."""
        deadline_s = now_s() + timeout_s
        while not condition():
            if now_s() > deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True
