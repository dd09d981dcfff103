"""HTTP connection that reports when the client begins and ends a request."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import web
from aiohttp.streams import StreamReader

REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class HttpConnectionObserver(Protocol):
    """Callbacks of an HTTP connection; none of them may raise."""

    def opened(self, connection: HttpConnection) -> None:
        """Called when the connection is open, after the TLS handshake."""

    def ended(self, connection: HttpConnection) -> None:
        """Called when the connection is closed, or taken over by a WebSocket."""

    def head_begun(self, connection: HttpConnection) -> None:
        """Called for each part of a head that is not complete."""

    def head_received(self, connection: HttpConnection, *, has_body: bool) -> None:
        """Called when a head is complete; ``has_body``: its body is not."""

    def body_received(self, connection: HttpConnection) -> None:
        """Called when a body is complete."""


class HttpConnection(web.RequestHandler):
    """Connection of aiohttp with an observer.

    It uses internals of aiohttp, which ``tests/server/tcp/test_connection.py`` checks.
    """

    __slots__ = ("_observer", "_payload", "address", "was_opened")

    def __init__(
        self,
        manager: web.Server,
        observer: HttpConnectionObserver,
        address: str,
        *,
        loop: asyncio.AbstractEventLoop,
        keepalive_timeout_s: float,
        lingering_s: float,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=keepalive_timeout_s,
            lingering_time=lingering_s,
            access_log=None,  # type: ignore[arg-type]  # aiohttp passes it on in the same way
        )
        self.address = address
        """Address of the client, or of the proxy in front of it."""
        self.was_opened = False
        """Whether the observer knows this connection."""
        self._observer = observer
        # Body of the last request; None before the first one.
        self._payload: StreamReader | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_reading_body(self) -> bool:
        """Whether the body of the last request is not complete."""
        return self._payload is not None and not self._payload.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report the connection, and begin to read requests."""
        self.was_opened = True
        self._observer.opened(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report the end; the engine calls this when a WebSocket has taken over."""
        self._observer.ended(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, and report what it begins and ends."""
        earlier, was_reading_body = self._request_count, self.is_reading_body
        super().data_received(data)
        if self._request_count != earlier and self._messages:
            self._payload = self._messages[-1][1]
            self._observer.head_received(self, has_body=self.is_reading_body)
        elif not was_reading_body:
            # aiohttp calls this without data to parse what it has buffered.
            if data:
                self._observer.head_begun(self)
        elif not self.is_reading_body:
            self._observer.body_received(self)

    def expire_head(self) -> None:
        """Close the connection, with a response unless one is in progress."""
        if self.transport is not None and self.is_idle:
            self.transport.write(REQUEST_TIMEOUT)
        self.force_close()

    def expire_body(self) -> None:
        """Let the handler that reads the body fail with 408; aiohttp closes the connection after the response."""
        if self._payload is not None and self.is_reading_body:
            self._payload.set_exception(web.HTTPRequestTimeout())
