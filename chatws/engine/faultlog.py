"""Log lines for faults that a client can cause: at most one per second and kind, the rest is counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

logger = logging.getLogger("chatws.engine")

_QUIET_S = 1.0
_MAX_NAMES = 256


class FaultLog:
    """Writes event name and keys; of what a client sent, only the origins that are refused."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()
        self._named: set[tuple[str, str]] = set()

    def warning(self, event: str, kind: str, **keys: object) -> None:
        """Log one line, unless a line of this event and kind was written within the last second."""
        self._write(logging.WARNING, event, kind, keys, None)

    def warning_once(self, event: str, kind: str, name: str) -> None:
        """Log one line for each name, of which 256 are remembered; many names at once are one line a second."""
        slot = (kind, name)
        if slot in self._named or len(self._named) >= _MAX_NAMES:
            return
        if self._write(logging.WARNING, event, kind, {kind: name}, None):
            self._named.add(slot)

    def error(self, event: str, kind: str, error: BaseException, **keys: object) -> None:
        """Log a fault of our own program with its traceback, no more often than a warning."""
        self._write(logging.ERROR, event, kind, keys, error)

    def _write(self, level: int, event: str, kind: str, keys: dict[str, object], error: BaseException | None) -> bool:
        """Tell whether a line was written."""
        slot = f"{event}:{kind}"
        now = self._clock()
        if now < self._next_at.get(slot, 0.0):
            self._suppressed[slot] += 1
            return False
        self._next_at[slot] = now + _QUIET_S
        extra = {"kind": kind, "suppressed": self._suppressed.pop(slot, 0), **keys}
        logger.log(level, event, extra=extra, exc_info=error)
        return True
