"""TCP connection of a client through the tap, with the connection to the server that belongs to it."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final, cast

from chatws_loadtest.tap.frame_splitter import FrameSplitter
from chatws_loadtest.tap.http_stream import BodyPart, HttpHead, HttpStream, MessageEnd, NotHttp
from chatws_loadtest.tap.observation_stream import ObservationWriter
from chatws_loadtest.tap.observations import HttpSeen, LinkEnded, LinkOpened, PollSeen
from chatws_loadtest.tap.request_head import RequestKind, TapTarget, rewrite

CONNECT_TIMEOUT_S: Final = 10.0
_BAD_GATEWAY: Final = 502
_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL_STATUS: Final = 200
_OK: Final = 200


@dataclass
class TapContext:
    """Parts that all connections of a tap share."""

    target: TapTarget
    tls: ssl.SSLContext | None
    observations: ObservationWriter
    open: set[TappedConnection] = field(default_factory=set)
    link_numbers: Iterator[int] = field(default_factory=lambda: count(1))


@dataclass(slots=True, frozen=True)
class TappedWebSocket:
    """WebSocket through the tap; ``sid`` is the session that it upgrades, or empty."""

    number: int
    sid: str


@dataclass(slots=True)
class Exchange:
    """Request that is not answered yet."""

    kind: RequestKind
    at_s: float

    @property
    def is_poll(self) -> bool:
        return self.kind.transport == "polling"


class TappedConnection(asyncio.Protocol):
    """Client's end: forwards requests with new heads, and frames unchanged; then adds them to the observations."""

    def __init__(self, context: TapContext) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        # Set by ``connection_made``.
        self._client: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        # Set once the server has accepted the connection.
        self._server: asyncio.Transport | None = None
        # Bytes that the client sent before.
        self._early = b""
        # Reason of the failed connection to the server.
        self._failure = ""
        self._requests = HttpStream(is_request=True)
        self._responses = HttpStream(is_request=False)
        self._exchanges: deque[Exchange] = deque()
        # Status of the response that is being forwarded.
        self._status = 0
        # The bytes are no HTTP, or no longer: they are forwarded without analysis.
        self._is_opaque = False
        # Set when the client has requested a WebSocket, which the server has not accepted yet.
        self._requested: TappedWebSocket | None = None
        self._link: TappedWebSocket | None = None
        self._from_client = FrameSplitter()
        self._from_server = FrameSplitter()

    # Client's end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._context.open.add(self)
        self._connecting = self._loop.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._server is None and not self._failure:
            self._early += data
            # uvloop ignores a pause before the first bytes.
            self.client_reads(is_paused=True)
        elif self._link is not None or self._requested is not None:
            self._forward_client_frames(data, now)
        elif self._is_opaque:
            self._to_server(data)
        else:
            self._forward_requests(data, now)

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        if self._server is not None:
            self._server.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("client")
        self._context.open.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        _end_transport(self._server, exc)

    def cut(self) -> None:
        """Reset both connections."""
        self._end("tap")
        for transport in (self._client, self._server):
            if transport is not None:
                transport.abort()

    async def _connect(self) -> None:
        target = self._context.target
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_connection(
                    lambda: _ServerEnd(self),
                    target.host,
                    target.port,
                    ssl=self._context.tls,
                    server_hostname=target.host if self._context.tls is not None else None,
                )
        except OSError as problem:  # a timeout and a refused certificate are OSErrors, too
            self._failure = _describe(problem)
        if self._client is not None and not self._client.is_closing():
            early, self._early = self._early, b""
            if early:
                self.data_received(early)
        self.client_reads(is_paused=False)

    # Server's end, called by `_ServerEnd`

    def server_connected(self, transport: asyncio.Transport) -> None:
        """Take the server's transport."""
        self._server = transport
        if self._client is None or self._client.is_closing():
            transport.abort()

    def server_sent(self, chunk: bytes) -> None:
        """Forward bytes of the server."""
        now = time.monotonic()
        if self._link is not None:
            self._forward_server_frames(chunk, now)
        elif self._is_opaque:
            self._to_client(chunk)
        else:
            self._forward_responses(chunk, now)

    def server_lost(self, exc: Exception | None) -> None:
        """End the client's connection as the server's ended."""
        if not self._is_opaque and self._link is None:
            end = self._responses.end()
            if end is not None:
                self._observe_response(end, time.monotonic())
        self._end("server")
        _end_transport(self._client, exc)

    def client_reads(self, *, is_paused: bool) -> None:
        """Pause or resume the client, as the server's write buffer demands."""
        if self._client is not None and not self._client.is_closing():
            if is_paused:
                self._client.pause_reading()
            else:
                self._client.resume_reading()

    # Requests and responses

    def _forward_requests(self, chunk: bytes, now: float) -> None:
        try:
            for part in self._requests.feed(chunk):
                if isinstance(part, HttpHead):
                    self._forward_request_head(part, now)
                    if self._requested is not None:
                        self._forward_client_frames(self._requests.rest, now)
                        return
                elif isinstance(part, BodyPart):
                    self._send_request_body(part.raw)
                else:
                    self._finish_request(part, now)
        except NotHttp:
            self._is_opaque = True
            self._to_server(self._requests.rest)

    def _forward_request_head(self, head: HttpHead, now: float) -> None:
        kind = RequestKind.of(head)
        exchange = Exchange(kind, now)
        if self._failure:
            self._refuse(exchange)
            return
        self._exchanges.append(exchange)
        self._requests.keeps_body = exchange.is_poll
        self._send_request_head(head, exchange)
        if kind.transport == "websocket" and head.header("upgrade"):
            self._requested = TappedWebSocket(next(self._context.link_numbers), kind.sid)

    def _send_request_head(self, head: HttpHead, exchange: Exchange) -> None:
        del exchange
        self._to_server(rewrite(head, self._context.target))

    def _send_request_body(self, raw: bytes) -> None:
        self._to_server(raw)

    def _finish_request(self, end: MessageEnd, now: float) -> None:
        if end.body and self._exchanges and self._exchanges[-1].is_poll:
            self._observe_poll(self._exchanges[-1], end.body, now, from_client=True)

    def _observe_poll(self, exchange: Exchange, body: bytes, now: float, *, from_client: bool) -> None:
        self._context.observations.add_poll(PollSeen(now, exchange.kind.sid, from_client, body))

    def _forward_responses(self, chunk: bytes, now: float) -> None:
        try:
            for part in self._responses.feed(chunk):
                if isinstance(part, HttpHead):
                    self._send_response_head(part)
                    if self._begin_response(part, now):
                        return
                elif isinstance(part, BodyPart):
                    self._send_response_body(part.raw)
                else:
                    self._observe_response(part, now)
        except NotHttp:
            self._is_opaque = True
            self._to_client(self._responses.rest)

    def _send_response_head(self, head: HttpHead) -> None:
        self._to_client(head.raw)

    def _send_response_body(self, raw: bytes) -> None:
        self._to_client(raw)

    def _begin_response(self, head: HttpHead, now: float) -> bool:
        """Look at the head of a response; return whether frames follow it."""
        if head.status == _SWITCHING_PROTOCOLS:
            if self._requested is None:  # another protocol
                self._is_opaque = True
                self._to_client(self._responses.rest)
                return True
            self._link = self._requested
            self._context.observations.add(LinkOpened(now, self._link.number, self._link.sid))
            if self._responses.rest:
                self._forward_server_frames(self._responses.rest, now)
            return True
        if head.status >= _FIRST_FINAL_STATUS and self._exchanges:
            exchange = self._exchanges[0]
            self._status = head.status
            self._responses.has_no_body = exchange.kind.method == "HEAD"
            self._responses.keeps_body = exchange.is_poll and exchange.kind.method == "GET" and head.status == _OK
        return False

    def _observe_response(self, end: MessageEnd, now: float) -> None:
        if not self._exchanges:
            return
        exchange = self._exchanges.popleft()
        kind = exchange.kind
        if exchange.is_poll and self._status == _OK:
            if kind.method == "GET":
                self._finish_poll(exchange, end.body or b"", now)
        else:
            ms = (now - exchange.at_s) * 1000
            self._context.observations.add_http(HttpSeen(now, kind.method, kind.path, kind.transport, self._status, ms))

    def _finish_poll(self, exchange: Exchange, body: bytes, now: float) -> None:
        if body:
            self._observe_poll(exchange, body, now, from_client=False)

    def _refuse(self, exchange: Exchange) -> None:
        """Answer a request that cannot be forwarded."""
        kind = exchange.kind
        body = f"chatws tap: the server cannot be reached: {self._failure}\n"
        self._to_client(
            f"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            f"Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
        )
        seen = HttpSeen(exchange.at_s, kind.method, kind.path, kind.transport, _BAD_GATEWAY, 0.0, self._failure)
        self._context.observations.add_http(seen)
        if self._client is not None:
            self._client.close()

    # Frames

    def _forward_client_frames(self, chunk: bytes, now: float) -> None:
        self._to_server(chunk)
        link = self._link or self._requested
        assert link is not None
        self._observe_frames(link.number, self._from_client, chunk, now, True)

    def _forward_server_frames(self, chunk: bytes, now: float) -> None:
        self._to_client(chunk)
        assert self._link is not None
        self._observe_frames(self._link.number, self._from_server, chunk, now, False)

    def _observe_frames(self, link: int, splitter: FrameSplitter, chunk: bytes, now: float, from_client: bool) -> None:  # noqa: FBT001 - once per frame
        add = self._context.observations.add_frame
        head_bytes = splitter.whole_head(chunk)
        if head_bytes:
            add(now, link, from_client, chunk, head_bytes)
            return
        for raw, size in splitter.feed(chunk):
            add(now, link, from_client, raw, size)

    def _to_server(self, chunk: bytes) -> None:
        if chunk and self._server is not None and not self._server.is_closing():
            self._server.write(chunk)

    def _to_client(self, chunk: bytes) -> None:
        if chunk and self._client is not None and not self._client.is_closing():
            self._client.write(chunk)

    def _end(self, by: str) -> None:
        """Report the end of the WebSocket once."""
        if self._link is not None:
            self._context.observations.add(LinkEnded(time.monotonic(), self._link.number, by))
            self._link = self._requested = None
            self._is_opaque = True


class _ServerEnd(asyncio.Protocol):
    """Server's end: passes everything to the client's."""

    def __init__(self, connection: TappedConnection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.server_connected(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._connection.server_sent(data)

    def pause_writing(self) -> None:
        self._connection.client_reads(is_paused=True)

    def resume_writing(self) -> None:
        self._connection.client_reads(is_paused=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.server_lost(exc)


def _end_transport(transport: asyncio.Transport | None, exc: Exception | None) -> None:
    if transport is None:
        return
    with suppress(OSError):
        if exc is None:
            transport.close()
        else:
            transport.abort()


def _describe(problem: OSError) -> str:
    if isinstance(problem, TimeoutError):
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(problem, ssl.SSLCertVerificationError):
        return problem.verify_message
    return os.strerror(problem.errno) if problem.errno else str(problem) or type(problem).__name__
