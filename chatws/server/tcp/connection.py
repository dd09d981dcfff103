"""HTTP connection that reports when the client begins and ends a request, and passes WebSockets on to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.streams import StreamReader

from chatws.engine.upgrade_request import UpgradeRequest, parse_upgrade

REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

UpgradeTaker = Callable[[UpgradeRequest], bool]
"""Opens a WebSocket on the connection of a request; returns False, with nothing changed, if aiohttp must handle it."""


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
    """Connection of aiohttp with an observer; with ``take_upgrade``, aiohttp begins only if the first request needs it.

    It uses internals of aiohttp, which ``tests/server/tcp/test_connection.py`` checks.
    """

    __slots__ = ("_has_begun", "_observer", "_payload", "_take_upgrade", "address", "was_opened")

    def __init__(
        self,
        manager: web.Server,
        observer: HttpConnectionObserver,
        address: str,
        *,
        loop: asyncio.AbstractEventLoop,
        keepalive_timeout_s: float,
        lingering_s: float,
        take_upgrade: UpgradeTaker | None = None,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=keepalive_timeout_s,
            lingering_time=lingering_s,
            auto_decompress=False,  # compressed bodies are refused; to decompress one costs time and can fail
            access_log=None,  # type: ignore[arg-type]  # aiohttp passes it on in the same way
        )
        self.address = address
        """Address of the client, or of the proxy in front of it."""
        self.was_opened = False
        """Whether the observer knows this connection."""
        self._observer = observer
        self._take_upgrade = take_upgrade
        # Set once aiohttp waits for requests.
        self._has_begun = False
        # Body of the last request; None before the first one.
        self._payload: StreamReader | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        return not self._has_begun or (self._waiter is not None and not self._waiter.done())

    @property
    def is_reading_body(self) -> bool:
        """Whether the body of the last request is not complete."""
        return self._payload is not None and not self._payload.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report the connection, and begin to read requests."""
        self.was_opened = True
        self._observer.opened(self)
        if self._take_upgrade is None:
            self._begin(transport)
        else:
            # All that closing the connection, and shutting down, need.
            assert self._manager is not None
            self.transport = cast("asyncio.Transport", transport)
            self._manager.connection_made(self, self.transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report the end; the engine calls this when a WebSocket has taken over."""
        self._observer.ended(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, and report what it begins and ends."""
        if not self._has_begun and self.transport is not None:
            if self._is_taken(data, self.transport):
                return
            self._begin(self.transport)
        earlier, was_reading_body = self._request_count, self.is_reading_body
        super().data_received(data)
        if self._request_count != earlier and self._messages:
            if self._payload is not None and self.is_reading_body:
                # The chunks of the body are malformed: aiohttp would let the handler wait for the rest.
                self._payload.set_exception(web.RequestPayloadError())
            self._payload = self._messages[-1][1]
            self._observer.head_received(self, has_body=self.is_reading_body)
        elif not was_reading_body:
            # aiohttp calls this without data to parse what it has buffered.
            if data:
                self._observer.head_begun(self)
        elif not self.is_reading_body:
            self._observer.body_received(self)

    def _begin(self, transport: asyncio.BaseTransport) -> None:
        self._has_begun = True
        super().connection_made(transport)

    def _is_taken(self, data: bytes, transport: asyncio.Transport) -> bool:
        """Pass an upgrade request to the engine; return whether it took the connection, which aiohttp then drops."""
        request = parse_upgrade(data, transport)
        if self._take_upgrade is None or request is None or not self._take_upgrade(request):
            return False
        self.transport = None
        self.connection_lost(None)
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond with 400 to an ``Expect`` that is not UTF-8: aiohttp fails to quote it in its refusal."""
        if isinstance(exc, UnicodeEncodeError) and not request.headers.get(hdrs.EXPECT, "").isascii():
            status, exc = 400, HttpProcessingError(code=400, message="Expect is not UTF-8")
        return super().handle_error(request, status, exc, message)

    def close(self) -> None:
        """Close the connection after the request in progress; at once if aiohttp has not begun to read any.

        Otherwise aiohttp would begin with a later request, ignore it, and let the shutdown wait for its task.
        """
        super().close()
        if not self._has_begun:
            self.force_close()

    def expire_head(self) -> None:
        """Close the connection, with a response unless one is in progress."""
        if self.transport is not None and self.is_idle:
            self.transport.write(REQUEST_TIMEOUT)
        self.force_close()

    def expire_body(self) -> None:
        """Let the handler that reads the body fail with 408; aiohttp closes the connection after the response."""
        if self._payload is not None and self.is_reading_body:
            self._payload.set_exception(web.HTTPRequestTimeout())
