"""Log lines that somebody outside can cause: at most one of each kind in a while, the rest is counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

INTERVAL_S = 1.0


class RateLimitedLogger:
    """Writes through one logger, one line of a kind in ``interval_s``; ``clock`` gives monotonic seconds."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float], interval_s: float = INTERVAL_S) -> None:
        self._logger = logger
        self._clock = clock
        self._interval_s = interval_s
        self._next_at: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def write(
        self, level: int, name: str, kind: str = "", *, problem: BaseException | None = None, **keys: object
    ) -> None:
        """Log an event with its keys and how many of the kind came since its last line.

        ``kind`` is one of a few; without it the event's name is the kind.
        ``problem`` is a fault of our own: its traceback is logged, too.
        """
        kind = kind or name
        now = self._clock()
        if now < self._next_at.get(kind, 0.0):
            self._suppressed[kind] += 1
            return
        self._next_at[kind] = now + self._interval_s
        suppressed = self._suppressed.pop(kind, 0)
        shown = {**keys, "suppressed": suppressed} if suppressed else keys
        self._logger.log(level, name, extra={"keys": shown}, exc_info=problem)
