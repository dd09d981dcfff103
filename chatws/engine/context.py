"""Context shared by all sessions of one server: options, counters, monitors, open connections, running tasks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Hashable
from contextlib import suppress
from functools import cached_property
from typing import Protocol

from chatws.engine.admission import AdmissionControl
from chatws.engine.monitors import DisconnectMonitor, WriteTimeoutMonitor
from chatws.engine.options import EngineOptions, EngineStats
from chatws.engine.scheduling import FlushScheduler, LoopLimiter
from chatws.logging import RateLimitedLogger

logger = logging.getLogger("chatws.engine")

_CANCEL_TIMEOUT_S = 0.5
"""Time for cancelled tasks and aborted connections to end; a handler that ignores its cancellation is abandoned."""

_DISCONNECTS_PER_ITERATION = 32
"""About 5 ms of work: when thousands of connections are lost at once, other clients are served in between."""


class OpenConnection(Hashable, Protocol):
    """TCP connection that is aborted if it outlives the shutdown timeout."""

    def abort(self) -> None:
        """Close the connection at once."""


class EngineContext:
    """State shared by the sessions of one server; it may be created before the event loop runs."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.stats = EngineStats()
        self.log = RateLimitedLogger(logger, time.monotonic)
        self.admission = AdmissionControl(options)
        self.connections: set[OpenConnection] = set()
        """WebSockets whose TCP connection is open; removed by ``remove_connection``."""
        # Set while ``shut_down`` waits for the last connection.
        self._all_closed: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._running_handlers = 0
        # Set while ``handlers_idle`` waits.
        self._idle: asyncio.Event | None = None

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Event loop of the first session."""
        return asyncio.get_running_loop()

    @cached_property
    def write_monitor(self) -> WriteTimeoutMonitor:
        """Monitor of connections with unsent bytes."""
        return WriteTimeoutMonitor(self.loop, self.options.write_stall_s)

    @cached_property
    def poll_monitor(self) -> DisconnectMonitor:
        """Monitor of pending polls."""
        return DisconnectMonitor(self.loop)

    @cached_property
    def flush_scheduler(self) -> FlushScheduler:
        """Scheduler of the WebSockets' writes."""
        return FlushScheduler(self.loop, self.log)

    @cached_property
    def eof_limiter(self) -> LoopLimiter:
        """Limiter of the TCP connections that are closed in one event-loop iteration because the client sent EOF."""
        return LoopLimiter(self.loop, _DISCONNECTS_PER_ITERATION)

    @cached_property
    def disconnect_limiter(self) -> LoopLimiter:
        """Limiter of the WebSockets whose end is handled in one event-loop iteration."""
        return LoopLimiter(self.loop, _DISCONNECTS_PER_ITERATION)

    def start_task(self, work: Coroutine[None, None, None]) -> None:
        """Start a task that ``shut_down`` awaits or cancels."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def task_count(self) -> int:
        """Number of running tasks."""
        return len(self._tasks)

    def remove_connection(self, connection: OpenConnection) -> None:
        """Remove a WebSocket whose TCP connection is closed."""
        self.connections.discard(connection)
        if self._all_closed is not None and not self.connections:
            self._all_closed.set()

    async def shut_down(self, timeout_s: float) -> None:
        """Wait for running tasks and closing connections, then cancel or abort the rest."""
        started = self.loop.time()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_CANCEL_TIMEOUT_S)
        await self._close_connections(started + timeout_s - self.loop.time())
        self.write_monitor.stop()
        self.poll_monitor.stop()

    async def _close_connections(self, timeout_s: float) -> None:
        if self.connections:
            self._all_closed = asyncio.Event()
            timeout_s = max(0.0, timeout_s)
            timer = self.loop.call_later(timeout_s, self._abort_connections)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s + _CANCEL_TIMEOUT_S):
                    await self._all_closed.wait()
            timer.cancel()

    def _abort_connections(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def handler_started(self) -> None:
        """Count a running handler of the program."""
        self._running_handlers += 1

    def handler_finished(self) -> None:
        """Count down a handler that returned or raised."""
        self._running_handlers -= 1
        if self._idle is not None and not self._running_handlers:
            self._idle.set()

    async def handlers_idle(self, timeout_s: float) -> bool:
        """Wait until no handler runs; return False if one still does after ``timeout_s``."""
        if not self._running_handlers:
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
