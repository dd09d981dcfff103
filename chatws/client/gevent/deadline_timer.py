"""Timer of a session's next deadline on gevent's hub."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gevent import get_hub

if TYPE_CHECKING:
    from collections.abc import Callable

now_s = time.perf_counter
"""Clock of the deadlines."""


class DeadlineTimer:
    """Timer that fires at the deadline, or before it: an early tick is harmless, and a new timer is expensive."""

    def __init__(self, on_timer: Callable[[], None]) -> None:
        """Create a timer that is not set."""
        self.due_s: float | None = None
        """Time at which it fires; None if it is not set."""
        self._on_timer = on_timer
        self._loop = get_hub().loop
        self._timer = self._loop.timer(0)

    def set(self, due_s: float | None) -> None:
        """Set the timer, unless it fires early enough already, or there is no deadline."""
        if due_s is None or (self.due_s is not None and self.due_s <= due_s):
            return
        self._timer.stop()
        self._timer.close()
        self._timer = self._loop.timer(max(0.0, due_s - now_s()))
        self._timer.start(self._fire)
        self.due_s = due_s

    def close(self) -> None:
        """Stop the timer for good."""
        self._timer.stop()
        self._timer.close()

    def _fire(self) -> None:
        self.due_s = None
        self._on_timer()
