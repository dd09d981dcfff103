"""Packets of a polling session that wait to be handled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.transport import Work

if TYPE_CHECKING:
    from chatws.engine.session import EngineSession

_PER_TURN = 64
"""A body can hold 8,000 events, which in one turn of the loop kept everybody else waiting for a quarter of a second."""


class ReceiveQueue:
    """Handled one after the other by a task that exists only while there is something to handle.

    The bound is soft by one body: a POST is answered only when less than ``EngineSession.read_ahead_bytes`` wait, and a
    client has one POST at a time.
    """

    __slots__ = ("_bytes", "_is_running", "_session", "_wake", "_works")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        # With their size, and when those came that wait for others.
        self._works: deque[tuple[Work, int, float | None]] = deque()
        self._bytes = 0
        self._is_running = False
        # Set while somebody waits for room or for the end.
        self._wake: asyncio.Event | None = None

    def add(self, work: Work, size: int) -> None:
        """Let work of a packet of ``size`` bytes wait its turn."""
        self._works.append((work, size, self._session.core.loop.time() if self._is_running else None))
        self._bytes += size
        if not self._is_running:
            self._is_running = True
            self._session.core.start_task(self._run())

    async def room(self) -> None:
        """Wait until less than the bound waits."""
        while self._bytes > self._session.read_ahead_bytes:
            await self._progress()

    def look_again(self) -> None:
        """Let those who wait for room see whether there is some now."""
        self._notify()

    async def drained(self) -> None:
        """Wait until nothing waits or runs."""
        while self._is_running:
            await self._progress()

    async def _progress(self) -> None:
        if self._wake is None:
            self._wake = asyncio.Event()
        await self._wake.wait()

    async def _run(self) -> None:
        handled = 0
        try:
            while self._works:
                work, size, arrived_at = self._works.popleft()
                await self._session.run(work, arrived_at)
                self._bytes -= size
                self._notify()
                handled += 1
                if not handled % _PER_TURN:
                    await asyncio.sleep(0)
        except BaseException:
            self._session.abort(DisconnectReason.TRANSPORT_ERROR)  # nobody would handle what comes
            raise
        finally:
            self._works.clear()
            self._bytes = 0
            self._is_running = False
            self._notify()

    def _notify(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None
