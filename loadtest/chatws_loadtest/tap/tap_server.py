"""Proxy of one tap, in the running event loop; it passes what it has forwarded to an analysis."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Final, Self

import msgspec

from chatws.client.mapping import ServerMapping
from chatws_loadtest.tap.fault_injector import RuleInjector
from chatws_loadtest.tap.fault_rules import FaultRule
from chatws_loadtest.tap.injected_connection import InjectedConnection
from chatws_loadtest.tap.observation_stream import ObservationWriter
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.request_head import TapTarget
from chatws_loadtest.tap.tapped_connection import TapContext, TappedConnection

SEND_S: Final = 0.05
"""Interval of the batches: shorter ones would wake up the analysis more often, beside the clients and the server."""

RESEND_S: Final = 0.01
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
    """Proxy on a port; used as an async context manager.

    The stream ``observations`` gets everything that the analysis needs; it is closed at the end.
    """

    def __init__(self, options: TapOptions, tls: ssl.SSLContext | None, observations: int) -> None:
        self.port = options.port
        self._options = options
        self._observations = ObservationWriter(observations)
        self._context = TapContext(TapTarget.parse(options.url), tls, self._observations)
        self._injector = RuleInjector(options.rules, options.seed) if options.rules else None
        # Set by ``__aenter__``.
        self._server: asyncio.Server | None = None
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: the port cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._make_connection, self._options.host, self._options.port, backlog=BACKLOG
            )
        except OSError:
            self._observations.abandon()
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        self._sending = loop.create_task(self._send_observations())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._sending is not None
        self._server.close()
        for connection in list(self._context.open):
            connection.cut()
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending
        # What was forwarded before the end is analysed, too.
        await self._observations.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"http://{self._options.host}:{self.port}"

    def _make_connection(self) -> TappedConnection:
        if self._injector is None:
            return TappedConnection(self._context)
        return InjectedConnection(self._context, self._injector)

    async def _send_observations(self) -> None:
        while True:
            await asyncio.sleep(RESEND_S if self._observations.is_full else SEND_S)
            self._observations.send(time.monotonic())
