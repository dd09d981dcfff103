"""HTTP requests to one server on gevent, one after another on a TCP connection that is kept open between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatws.client.gevent.stream import Stream
from chatws.wire.errors import HttpError
from chatws.wire.http_response import HttpResponse, HttpResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.client.gevent.endpoint import Endpoint

EXPIRY_MARGIN_S: Final = 1.0
"""A connection that the server announced to close within this time is not used for another request."""


class HttpChannel:
    """One request at a time; no request is ever sent twice, because the server may have processed the first one."""

    def __init__(
        self, endpoint: Endpoint, on_response: Callable[[HttpResponse], None], on_failure: Callable[[str], None]
    ) -> None:
        """Create a channel that connects with its first request; the callbacks follow each request, one of them."""
        self._endpoint = endpoint
        self._on_response = on_response
        self._on_failure = on_failure
        self._stream: Stream | None = None
        self._parser = HttpResponseParser()
        # Request that waits for the TCP connection.
        self._unsent = b""
        self._is_waiting = False
        self._is_closed = False
        # Time from which the server may have closed the idle connection.
        self._expires_s = float("inf")

    def request(self, request: bytes) -> None:
        """Send a request; no effect on a closed channel."""
        if self._is_closed:
            return
        self._is_waiting = True
        if self._stream is not None and time.perf_counter() < self._expires_s:
            self._stream.write(request)
            return
        self._disconnect()
        self._unsent = request
        self._stream = Stream(self._endpoint, self)

    def close(self) -> None:
        """Close for good; no callback follows."""
        self._is_closed = True
        self._disconnect()

    def cut(self) -> None:
        """Close for good, with a TCP reset."""
        if self._stream is not None:
            self._stream.cut()
        self.close()

    # StreamListener

    def stream_opened(self) -> None:
        """Send the request that waits for the connection."""
        assert self._stream is not None
        self._stream.write(self._unsent)

    def stream_received(self, data: bytes) -> None:
        """Parse received bytes; those that follow no request, such as an HTTP 408, end the connection."""
        if not self._is_waiting:
            self._disconnect()
            return
        try:
            response = self._parser.receive(data)
        except HttpError as error:
            self._fail(f"the server broke the protocol: {error}")
            return
        if response is not None:
            self._complete(response)

    def stream_ended(self, reason: str) -> None:
        """Complete a response that ends with the connection, or report the failure of the request."""
        self._stream = None
        if self._is_waiting:
            response = self._parser.end()
            if response is None:
                self._fail(reason)
            else:
                self._complete(response)

    def _complete(self, response: HttpResponse) -> None:
        self._is_waiting = False
        if not response.keeps_alive:
            self._disconnect()
        elif (idle_s := response.keep_alive_s) is not None:
            self._expires_s = time.perf_counter() + idle_s - EXPIRY_MARGIN_S
        self._on_response(response)

    def _fail(self, reason: str) -> None:
        self._is_waiting = False
        self._disconnect()
        self._on_failure(reason)

    def _disconnect(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._parser = HttpResponseParser()
        self._expires_s = float("inf")
