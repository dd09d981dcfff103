"""Notices connections that take no bytes while bytes wait for them, whatever else they say."""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

_MAX_TICK_S = 1.0
_TICKS_PER_STALL = 10
_TICKS_AT_ONCE = 2
"""A look that comes later than this after the one before finds a loop that stood still."""
_NOTHING_YET = -sys.maxsize
"""Less than any count of bytes taken, which encryption's own bytes can make negative."""


class MonitoredWriter(Protocol):
    """A connection as the watch sees it."""

    is_watched: bool
    """Owned by the watch."""

    written_bytes: int
    """All that was ever handed to the transport."""

    def buffered_bytes(self) -> int:
        """Bytes the kernel has not taken yet."""

    def stalled(self) -> None:
        """No byte was taken for the time allowed."""


class WriteTimeoutMonitor:
    """Looks now and then, at least once a second, at connections that were written to and have not drained since."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stall_s: float) -> None:
        self._loop = loop
        self._stall_s = stall_s
        self._tick_s = min(_MAX_TICK_S, stall_s / _TICKS_PER_STALL) or _MAX_TICK_S
        self._timer: asyncio.TimerHandle | None = None
        # By the loop's clock, of the latest look.
        self._looked_at = 0.0
        # How long the loop ran while it was watched: while it stands still it hands nobody's bytes to the kernel.
        self._ran_s = 0.0
        # Bytes taken so far, and since when in that time there were no more.
        self._progress: dict[MonitoredWriter, tuple[int, float]] = {}

    def add(self, writer: MonitoredWriter) -> None:
        """Watch a connection until its buffer is empty."""
        writer.is_watched = True
        self._progress[writer] = (_NOTHING_YET, self._ran_s)
        if self._timer is None:
            self._looked_at = self._loop.time()
            self._timer = self._loop.call_later(self._tick_s, self._tick)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._progress.clear()

    def _tick(self) -> None:
        # Before anything a connection does can fail: the watch goes on.
        self._timer = self._loop.call_later(self._tick_s, self._tick) if self._progress else None
        now = self._loop.time()
        self._ran_s += min(now - self._looked_at, _TICKS_AT_ONCE * self._tick_s)
        self._looked_at = now
        for writer, (best, since) in list(self._progress.items()):
            buffered = writer.buffered_bytes()
            taken = writer.written_bytes - buffered
            if buffered == 0:
                self._forget(writer)
            elif taken > best:
                self._progress[writer] = (taken, self._ran_s)
            elif self._stall_s and self._ran_s - since >= self._stall_s:
                self._forget(writer)
                writer.stalled()

    def _forget(self, writer: MonitoredWriter) -> None:
        writer.is_watched = False
        del self._progress[writer]
