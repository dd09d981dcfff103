"""What all sessions of one server share: options, counters, who is open, what is in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from chatws.engine.admission import AdmissionControl
from chatws.engine.disconnect_monitor import DisconnectMonitor
from chatws.engine.faultlog import FaultLog
from chatws.engine.flush_scheduler import FlushScheduler
from chatws.engine.loop_limiter import LoopLimiter
from chatws.engine.options import EngineOptions
from chatws.engine.stats import EngineStats
from chatws.engine.write_timeout import WriteTimeoutMonitor

if TYPE_CHECKING:
    from chatws.engine.polling import PollingTransport
    from chatws.engine.session import EngineSession
    from chatws.engine.websocket import WebSocketTransport

_LAST_MOMENT_S = 0.5
"""For what is cut short at the end to notice it; a handler that will not be cancelled is left behind."""

_DEPARTURES_PER_TURN = 32
"""Some 5 ms of work: when thousands of connections break at once, everybody else is still served meanwhile."""


class EngineContext:
    """One per server; made anywhere, used inside one event loop."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.stats = EngineStats()
        self.faults = FaultLog()
        self.limits = AdmissionControl(options)
        self.sessions: dict[str, EngineSession] = {}
        self.last_polls: dict[str, PollingTransport] = {}
        """Closed polling sessions whose last packets wait for a poll."""
        self.connections: set[WebSocketTransport] = set()
        """WebSockets whose TCP connection is open; ``forget_connection`` takes one out."""
        # Set while somebody waits for the connections to be gone.
        self._all_gone: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        # Set while somebody waits for the handlers in flight.
        self._idle: asyncio.Event | None = None

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the first session."""
        return asyncio.get_running_loop()

    @cached_property
    def stalls(self) -> WriteTimeoutMonitor:
        """The watch over slow readers."""
        return WriteTimeoutMonitor(self.loop, self.options.write_stall_s)

    @cached_property
    def flusher(self) -> FlushScheduler:
        """What writes once per turn."""
        return FlushScheduler(self.loop, self.faults)

    @cached_property
    def departures(self) -> LoopLimiter:
        """Where sessions whose connection ended wait for their own end."""
        return LoopLimiter(self.loop, _DEPARTURES_PER_TURN)

    @cached_property
    def parked(self) -> DisconnectMonitor:
        """The watch over polls that wait."""
        return DisconnectMonitor(self.loop)

    def start_task(self, work: Coroutine[None, None, None]) -> None:
        """Start work that ``finish`` awaits or cancels."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget_connection(self, link: WebSocketTransport) -> None:
        """Note that a WebSocket's TCP connection is gone."""
        self.connections.discard(link)
        if self._all_gone is not None and not self.connections:
            self._all_gone.set()

    async def finish(self, timeout_s: float) -> None:
        """Wait for started work and for connections that are being closed, then cut short what is left."""
        started = self.loop.time()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_MOMENT_S)
        await self._connections_gone(started + timeout_s - self.loop.time())
        self.stalls.stop()
        self.parked.stop()

    async def _connections_gone(self, timeout_s: float) -> None:
        if self.connections:
            self._all_gone = asyncio.Event()
            timeout_s = max(0.0, timeout_s)
            timer = self.loop.call_later(timeout_s, self._cut_connections)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s + _LAST_MOMENT_S):
                    await self._all_gone.wait()
            timer.cancel()

    def _cut_connections(self) -> None:
        for link in list(self.connections):
            link.abort()

    def enter_handler(self) -> None:
        """Count a handler of the program that begins."""
        self._in_flight += 1

    def leave_handler(self) -> None:
        """Count a handler that ended."""
        self._in_flight -= 1
        if self._idle is not None and not self._in_flight:
            self._idle.set()

    async def handlers_idle(self, timeout_s: float) -> bool:
        """Wait until no handler runs; False when some still do after ``timeout_s``."""
        if not self._in_flight:
            return True
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        finally:
            self._idle = None
        return True
