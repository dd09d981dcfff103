"""Writes once per turn of the event loop what many handlers had for one connection."""

from __future__ import annotations

import asyncio
from typing import Protocol

from chatws.engine.faultlog import FaultLog


class Flushable(Protocol):
    """A connection with something to write."""

    def flush(self) -> None:
        """Write it."""

    def abort(self) -> None:
        """Cut the connection."""


class FlushScheduler:
    """Collects connections and flushes them all in one callback.

    uvloop hands every write to the kernel at once, about 15 µs each when it wakes the peer; an ack and a broadcast to
    the same client are one write here.
    """

    __slots__ = ("_dirty", "_faults", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: FaultLog) -> None:
        self._loop = loop
        self._faults = faults
        self._dirty: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """Flush a connection in the next turn."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            try:
                connection.flush()
            except Exception as error:  # noqa: BLE001 - of one connection, which must not cost the others their bytes
                self._faults.error("engine.write_failed", "flush", error)
                connection.abort()
