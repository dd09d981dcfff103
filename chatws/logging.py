"""Loggers of events that clients can cause in any number: a bounded number of lines a second, the rest is counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

INTERVAL_S = 1.0
LINES_PER_S = 20
"""Lines of a `SampledLogger` per second."""

_MAX_ONCE = 256


class RateLimitedLogger:
    """Logger of at most one line per event, group and ``interval_s``; ``clock`` returns monotonic seconds."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float], interval_s: float = INTERVAL_S) -> None:
        self._logger = logger
        self._clock = clock
        self._interval_s = interval_s
        self._next_at: dict[tuple[str, str], float] = {}
        self._suppressed: Counter[tuple[str, str]] = Counter()
        self._written_once: set[tuple[object, ...]] = set()

    def write(
        self,
        level: int,
        event: str,
        group: str = "",
        /,
        *,
        problem: BaseException | None = None,
        **keys: object,
    ) -> bool:
        """Log an event with its keys and ``suppressed``, the number of lines dropped since the last one.

        Each ``group`` of an event has its own limit; there must be few of them. ``problem`` is an exception caused by a
        defect of this program, logged with its traceback. Returns whether a line was written.
        """
        slot = (event, group)
        now = self._clock()
        if now < self._next_at.get(slot, 0.0):
            self._suppressed[slot] += 1
            return False
        self._next_at[slot] = now + self._interval_s
        suppressed = self._suppressed.pop(slot, 0)
        shown = {**keys, "suppressed": suppressed} if suppressed else keys
        self._logger.log(level, event, extra={"keys": shown}, exc_info=problem)
        return True

    def write_once(self, level: int, event: str, /, **keys: str) -> None:
        """Log an event once for each combination of keys, at the rate of ``write``.

        After 256 combinations nothing more is logged.
        """
        line = (event, *keys.values())
        if line in self._written_once or len(self._written_once) >= _MAX_ONCE:
            return
        if self.write(level, event, problem=None, **keys):
            self._written_once.add(line)


class SampledLogger:
    """Logger of one event that has no upper rate: all occurrences at level debug, a sample of them at level info.

    At level info it writes at most ``per_second`` lines a second; the next line has ``suppressed``, the number of
    occurrences without one. An occurrence that is not written costs two comparisons and an addition.
    """

    def __init__(self, logger: logging.Logger, event: str, per_second: int = LINES_PER_S) -> None:
        self._logger = logger
        self._event = event
        self._per_second = per_second
        self._second_ends_at = 0.0
        self._left = 0
        self._suppressed = 0

    def is_due(self, now: float) -> bool:
        """Return whether an occurrence at a monotonic time is to be written; count it if not."""
        if now >= self._second_ends_at:
            self._second_ends_at, self._left = now + INTERVAL_S, self._per_second
        if self._left > 0:
            self._left -= 1
            return self._logger.isEnabledFor(logging.INFO)
        if self._logger.isEnabledFor(logging.DEBUG):
            return True
        self._suppressed += 1
        return False

    def write(self, **keys: object) -> None:
        """Write a line; called after `is_due`."""
        suppressed, self._suppressed = self._suppressed, 0
        shown = {**keys, "suppressed": suppressed} if suppressed else keys
        self._logger.log(logging.INFO, self._event, extra={"keys": shown})
