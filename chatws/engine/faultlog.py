"""Log lines for faults that a client can cause: at most one per second and kind, the rest is counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

logger = logging.getLogger("chatws.engine")

_QUIET_S = 1.0


class FaultLog:
    """Writes event name and keys, never what a client sent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def warning(self, event: str, kind: str, **keys: object) -> None:
        """Log one line, unless a line of this event and kind was written within the last second."""
        self._write(logging.WARNING, event, kind, keys, None)

    def error(self, event: str, kind: str, error: BaseException, **keys: object) -> None:
        """Log a fault of our own program with its traceback, no more often than a warning."""
        self._write(logging.ERROR, event, kind, keys, error)

    def _write(self, level: int, event: str, kind: str, keys: dict[str, object], error: BaseException | None) -> None:
        slot = f"{event}:{kind}"
        now = self._clock()
        if now < self._next_at.get(slot, 0.0):
            self._suppressed[slot] += 1
            return
        self._next_at[slot] = now + _QUIET_S
        extra = {"kind": kind, "suppressed": self._suppressed.pop(slot, 0), **keys}
        logger.log(level, event, extra=extra, exc_info=error)
