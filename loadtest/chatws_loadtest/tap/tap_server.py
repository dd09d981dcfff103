"""Proxy and analysis of one tap, in the running event loop."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

import msgspec

from chatws.client.mapping import ServerMapping
from chatws_loadtest.tap.analyser import Analyser
from chatws_loadtest.tap.fault_injector import RuleInjector
from chatws_loadtest.tap.fault_rules import FaultRule
from chatws_loadtest.tap.injected_connection import InjectedConnection
from chatws_loadtest.tap.observations import MAX_OBSERVATIONS, ObservationQueue
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.request_head import TapTarget
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tapped_connection import TapContext, TappedConnection

SLICE_S: Final = 0.0003
"""Time that the analysis takes before the proxy forwards again, a third of the delay that a tap may add."""

QUEUE_OBSERVATIONS: Final = MAX_OBSERVATIONS
TICK_S: Final = 0.1
BACKLOG: Final = 1024


class TapOptions(msgspec.Struct, frozen=True):
    """Options of a tap."""

    url: str
    mapping: ServerMapping
    host: str = "127.0.0.1"
    port: int = 0
    analysis: AnalysisOptions = AnalysisOptions()
    rules: tuple[FaultRule, ...] = ()
    seed: int = 1


class TapServer:
    """Tap on a port; used as an async context manager. ``emit`` gets every record."""

    def __init__(self, options: TapOptions, tls: ssl.SSLContext | None, emit: Callable[[TapRecord], None]) -> None:
        self.port = options.port
        self._options = options
        self._observations = ObservationQueue(max_observations=QUEUE_OBSERVATIONS)
        self._context = TapContext(TapTarget.parse(options.url), tls, self._observations)
        self._injector = RuleInjector(options.rules, options.seed) if options.rules else None
        self._analyser = Analyser(options.mapping, options.analysis, time.monotonic(), emit)
        # Set by ``__aenter__``.
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: the port cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._make_connection, self._options.host, self._options.port, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = [loop.create_task(self._analyse()), loop.create_task(self._tick())]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._context.open):
            connection.cut()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        # What was forwarded before the end is analysed, too.
        while (seen := self._observations.take()) is not None:
            self._analyser.observe(seen)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"http://{self._options.host}:{self.port}"

    def _make_connection(self) -> TappedConnection:
        if self._injector is None:
            return TappedConnection(self._context)
        return InjectedConnection(self._context, self._injector)

    async def _analyse(self) -> None:
        take, observe = self._observations.take, self._analyser.observe
        while True:
            await self._observations.wait()
            until = time.perf_counter() + SLICE_S
            while (seen := take()) is not None:
                observe(seen)
                if time.perf_counter() > until:
                    break
            skipped = self._observations.take_skipped()
            if skipped:
                self._analyser.skip(time.monotonic(), skipped)
            await asyncio.sleep(0)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not len(self._observations):
                # An ack that waits in the queue would count as late.
                self._analyser.tick(time.monotonic())
