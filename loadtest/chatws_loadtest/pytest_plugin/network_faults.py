"""Faults of the network between the clients of a test and the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chatws_loadtest.proxy import FaultProxy
from chatws_loadtest.pytest_plugin.loop_thread import LoopThread


class NetworkFaults:
    """Proxy that every client of the test connects through; ``url`` is its address, for clients of your own."""

    def __init__(self, proxy: FaultProxy, loop: LoopThread) -> None:
        self._proxy = proxy
        self._loop = loop

    @property
    def url(self) -> str:
        return self._proxy.url

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return self._proxy.connections

    def cut(self) -> None:
        """Reset every connection; clients may reconnect at once."""
        self._do(self._proxy.reset_all)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Reset every connection, and refuse new ones until the end of the ``with`` block."""
        self._do(self._start_outage)
        try:
            yield
        finally:
            self._do(self._end_outage)

    def delay(self, seconds: float) -> None:
        """Delay what the server sends from now on; 0 ends it."""
        self._proxy.delay_s = seconds

    def freeze(self, *, up: bool = True, down: bool = True) -> None:
        """Hold back the bytes of the open connections until `thaw`: to the server (up), to the clients (down)."""
        self._do(lambda: self._proxy.freeze(up=up, down=down))

    def thaw(self) -> None:
        """Forward the bytes that were held back."""
        self._do(self._proxy.thaw)

    def _start_outage(self) -> None:
        self._proxy.refuses_connections = True
        self._proxy.reset_all()

    def _end_outage(self) -> None:
        self._proxy.refuses_connections = False

    def _do(self, action: Callable[[], None]) -> None:
        """Run an action on the proxy's thread."""

        async def run() -> None:
            action()

        self._loop.run(run())
