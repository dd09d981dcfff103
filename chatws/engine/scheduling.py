"""Work spread over event-loop iterations: one write per connection and iteration, bounded bursts."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from chatws.logging import RateLimitedLogger


class Flushable(Protocol):
    """Connection with buffered writes."""

    def flush(self) -> None:
        """Write the buffer to the asyncio transport."""

    def abort(self) -> None:
        """Abort the connection."""


class FlushScheduler:
    """Scheduler that flushes all connections with buffered writes in one callback per event-loop iteration.

    uvloop passes every write to the kernel at once, about 15 µs each when it wakes the peer; here an ack and a
    broadcast to the same client become one write.
    """

    __slots__ = ("_dirty", "_log", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, log: RateLimitedLogger) -> None:
        self._loop = loop
        self._log = log
        self._dirty: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """Flush a connection in the next iteration."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            try:
                connection.flush()
            except Exception as error:  # noqa: BLE001 - it concerns one connection; the others must still be flushed
                self._log.write(logging.ERROR, "engine.write_failed", "flush", problem=error, kind="flush")
                connection.abort()


class LoopLimiter:
    """FIFO limiter of callbacks: at most ``per_iteration`` run per event-loop iteration."""

    def __init__(self, loop: asyncio.AbstractEventLoop, per_iteration: int) -> None:
        self._loop = loop
        self._per_iteration = per_iteration
        self._available = per_iteration
        self._waiting: deque[Callable[[], object]] = deque()

    def run(self, callback: Callable[[], object]) -> None:
        """Run a callback, at once if the limit permits it, otherwise in a later iteration."""
        if not self._available:
            self._waiting.append(callback)
            return
        if self._available == self._per_iteration:
            self._loop.call_soon(self._next)
        self._available -= 1
        callback()

    def _next(self) -> None:
        count = min(self._per_iteration, len(self._waiting))
        self._available = self._per_iteration - count
        if count:
            self._loop.call_soon(self._next)
        for _ in range(count):
            self._waiting.popleft()()
