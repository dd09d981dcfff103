"""Log lines for faults from outside: at most one a second of each kind, the rest is counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

QUIET_S = 1.0

_log = logging.getLogger("chatws.bus")


class QuietLog:
    """Writes event name and keys; ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def warning(self, event: str, **keys: object) -> None:
        """Log one line, unless this event was logged within the last second."""
        self._write(logging.WARNING, event, keys, None)

    def error(self, event: str, problem: BaseException) -> None:
        """Log a fault of our own program with its traceback, no more often than a warning."""
        self._write(logging.ERROR, event, {}, problem)

    def _write(self, level: int, event: str, keys: dict[str, object], problem: BaseException | None) -> None:
        now = self._clock()
        if now < self._next_at.get(event, 0.0):
            self._suppressed[event] += 1
            return
        self._next_at[event] = now + QUIET_S
        suppressed = self._suppressed.pop(event, 0)
        shown = {**keys, "suppressed": suppressed} if suppressed else keys
        _log.log(level, event, extra={"keys": shown}, exc_info=problem)
