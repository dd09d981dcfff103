"""Site of an aiohttp runner that listens with limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from chatws.server.tcp.acceptor import Acceptor
from chatws.server.tcp.connection import HttpConnection, UpgradeTaker
from chatws.server.tcp.limits import ListenerLimits
from chatws.server.tcp.stats import ListenerStats
from chatws.server.tcp.table import ConnectionTable

LINGERING_S = 2.0
"""Time to continue reading the body of a request rejected early, so that the client receives the response."""

MAX_SWEEP_INTERVAL_S = 1.0
SWEEPS_PER_TIMEOUT = 10

CLOSED_PER_ITERATION = 100
"""Connections closed in one iteration of the event loop: a flood of them ends in one second and must not delay others.

Closing one takes 0.05 ms.
"""


class LimitedSite(web.BaseSite):
    """Listening socket of a runner, in place of ``web.SockSite``."""

    __slots__ = (
        "_acceptor",
        "_count_websockets",
        "_limits",
        "_listener",
        "_stats",
        "_sweeper",
        "_take_upgrade",
        "_tls",
    )

    def __init__(
        self,
        runner: web.BaseRunner,
        listener: socket.socket,
        limits: ListenerLimits,
        *,
        count_websockets: Callable[[], int],
        stats: ListenerStats,
        take_upgrade: UpgradeTaker | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=tls)
        self._listener = listener
        self._limits = limits
        self._count_websockets = count_websockets
        self._stats = stats
        # Without a timeout here, that of aiohttp must run from the beginning.
        self._take_upgrade = take_upgrade if limits.request_timeout_s else None
        self._tls = tls
        self._acceptor: Acceptor | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """URL of the socket."""
        host, port = self._listener.getsockname()[:2]
        return f"{'http' if self._tls is None else 'https'}://{host}:{port}"

    async def start(self) -> None:
        """Begin to accept connections."""
        await super().start()
        manager, loop = self._runner.server, asyncio.get_running_loop()
        assert manager is not None
        limits, stats = self._limits, self._stats
        table = ConnectionTable(limits, stats, loop.time)

        def make_connection(address: str) -> HttpConnection:
            return HttpConnection(
                manager,
                table,
                address,
                loop=loop,
                keepalive_timeout_s=limits.keepalive_timeout_s,
                lingering_s=LINGERING_S,
                take_upgrade=self._take_upgrade,
            )

        self._acceptor = Acceptor(
            self._listener,
            make_connection,
            table,
            limits,
            count_websockets=self._count_websockets,
            stats=stats,
            tls=self._tls,
        )
        self._acceptor.start()
        self._sweeper = asyncio.create_task(self._sweep(table))

    async def stop(self) -> None:
        """Stop accepting connections; the runner closes those that are open."""
        await super().stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        if self._acceptor is not None:
            await self._acceptor.close()

    async def _sweep(self, table: ConnectionTable) -> None:
        timeout_s = self._limits.request_timeout_s
        interval_s = min(MAX_SWEEP_INTERVAL_S, timeout_s / SWEEPS_PER_TIMEOUT) or MAX_SWEEP_INTERVAL_S
        while True:
            await asyncio.sleep(interval_s)
            while table.sweep(CLOSED_PER_ITERATION):  # noqa: ASYNC110 - it gives way to the other connections
                await asyncio.sleep(0)
