"""Logger for events that clients can cause in any number: one line per interval and kind, the rest is counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

INTERVAL_S = 1.0
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
