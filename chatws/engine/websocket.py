"""WebSocket transport: frames parsed in bounded chunks, messages handled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

from chatws.engine.context import EngineContext
from chatws.engine.events import DisconnectReason
from chatws.engine.session import EngineSession
from chatws.engine.transport import READ_AHEAD_BYTES, Work
from chatws.engine.upgrade_request import HttpRequest
from chatws.engine.write_buffer import WriteBuffer, limit_send_buffer
from chatws.engine.ws_handshake import detach_connection
from chatws.wire.errors import CloseCode, FrameError, WireError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role, parse_close
from chatws.wire.frames import Opcode, close_frame, server_frame

ReceivedItem = str | bytes | Work | FrameError | None
"""A message; its work, once there is a session; or the end: a protocol error, or None for a closed connection."""

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY
_ITEM_OVERHEAD_BYTES = 512
"""Memory of a queued item besides its text, so that empty messages are limited, too."""
_CHUNK_BYTES = 4 * 1024
"""Bytes parsed per connection and event-loop iteration.

uvloop delivers up to 8 MB per iteration and connection: as empty frames they delayed all other clients for seconds.
"""


def accept_websocket(context: EngineContext, request: HttpRequest, response: bytes) -> WebSocketTransport:
    """Answer the upgrade request with the result of ``handshake_response`` and take over its connection."""
    tcp = request.transport
    assert tcp is not None
    limit_send_buffer(tcp, context.options.send_buffer_bytes)
    transport = WebSocketTransport(context, tcp)
    transport.write(response)
    trailing = detach_connection(request, tcp, transport)
    if trailing:
        transport.data_received(trailing)
    return transport


class WebSocketTransport(WriteBuffer, asyncio.Protocol):
    """WebSocket connection; from ``start`` on, one task handles the received messages.

    A task per message would cost the event loop about 4 % more; a waiting task takes 1.5 kB.
    """

    __slots__ = (
        "_arrived_at",
        "_has_ended",
        "_is_lost",
        "_is_parse_scheduled",
        "_is_paused",
        "_parser",
        "_queue",
        "_queued_bytes",
        "_session",
        "_unparsed",
        "_waiter",
    )

    name: Final = "websocket"

    def __init__(self, context: EngineContext, tcp: asyncio.Transport) -> None:
        super().__init__(context, tcp)
        self._parser = FrameParser(Role.SERVER, max_message_bytes=context.options.max_payload_bytes)
        # Set by ``attach``, which for an upgrade is after the probe.
        self._session: EngineSession | None = None
        # Set by the client's close frame, its first protocol error, or the loss of the connection.
        self._has_ended = False
        # Set when the TCP connection is lost.
        self._is_lost = False
        # Items that arrived while ``receive`` did not wait, with their size and arrival.
        self._queue: deque[tuple[ReceivedItem, int, float]] | None = None
        self._queued_bytes = 0
        # Arrival time of the item last returned by ``receive``; None if it was not queued.
        self._arrived_at: float | None = None
        # Received bytes left for the next iterations of the event loop.
        self._unparsed = b""
        self._is_parse_scheduled = False
        # Set while too much is queued or unparsed.
        self._is_paused = False
        # Set while ``receive`` waits.
        self._waiter: asyncio.Future[ReceivedItem] | None = None
        context.connections.add(self)

    def abort_slow_client(self) -> None:
        """Abort the connection and its session: the client reads too slowly."""
        if self._session is None or self._session.is_closed:
            super().abort_slow_client()
        else:
            self._session.abort_slow_client()

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Send the close frame; abort the TCP connection if it is still open after the close timeout."""
        del reason
        if self._is_closing:
            return
        self.write(close_frame(code))
        self.flush()
        self._is_closing = True
        self._abort_later()

    async def receive(self) -> ReceivedItem:
        """Return the next item."""
        return self._take_queued() if self._queue else await self._next_arrival()

    def attach(self, session: EngineSession) -> None:
        """Pass messages to a session from now on, those already queued included."""
        self._session = session
        queued, self._queue = self._queue or (), None
        self._queued_bytes = 0
        for item, size, _ in queued:
            if isinstance(item, str | bytes):
                self._accept_message(item)
            else:
                self._put(item, size)
        self._resume()

    def update_read_limit(self) -> None:
        """Resume reading if the session now allows more to be queued."""
        if self._is_paused or self._unparsed:
            self._resume()

    def start(self) -> None:
        """Start the task that handles everything received, including what is queued."""
        assert self._session is not None
        self._context.start_task(self._run(self._session))

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client; drop those after its end, so that it can still receive the close frame."""
        if self._has_ended:
            return
        if len(data) <= _CHUNK_BYTES and not self._unparsed:
            text = self._parser.take_text(data)
            if text is None:
                self._parse(data)
            elif not self._is_closing:
                self._accept_message(text)
        else:
            self._unparsed += data
            self._pause()
            self._resume()

    def eof_received(self) -> bool:
        """Close the connection when the client sends EOF; of thousands that end together, a few in each iteration.

        Without unsent bytes it needs no close timeout: the event loop closes it without waiting. Returns True if the
        connection is closed here; the event loop itself closes one with TLS.
        """
        if self._is_encrypted:
            self._abort_later()
            return False
        if self._tcp.get_write_buffer_size():
            self._abort_later()
        self._context.eof_limiter.run(self._close_tcp)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the loss of the TCP connection; messages received before are still handled."""
        del exc
        self._is_lost = True
        self._context.remove_connection(self)
        if not self._has_ended and (self._is_closing or not self._unparsed):
            self._end(None)

    def _parse(self, data: bytes) -> None:
        messages, error = self._parser.read(data)
        for message in messages:
            if message.opcode is _TEXT or message.opcode is _BINARY:
                if not self._is_closing:
                    self._accept_message(message.payload)
            elif not self._accept_control(message):
                return
        if error is not None:
            self._end(error)

    def _parse_next_chunk(self) -> None:
        self._is_parse_scheduled = False
        chunk, self._unparsed = self._unparsed[:_CHUNK_BYTES], self._unparsed[_CHUNK_BYTES:]
        if chunk:
            self._parse(chunk)
        if self._is_lost and not self._unparsed and not self._has_ended:
            self._end(None)
        self._resume()

    def _pause(self) -> None:
        if not self._is_paused and not self._tcp.is_closing():
            self._is_paused = True
            self._tcp.pause_reading()

    def _resume(self) -> None:
        """Parse the bytes received already, then read from the socket, unless the queue is full."""
        if self._is_queue_full():
            return
        if self._unparsed:
            if not self._is_parse_scheduled:
                self._is_parse_scheduled = True
                self._context.loop.call_soon(self._parse_next_chunk)
        elif self._is_paused and not self._tcp.is_closing():
            self._is_paused = False
            self._tcp.resume_reading()

    def _is_queue_full(self) -> bool:
        queued = self._queued_bytes
        if queued <= READ_AHEAD_BYTES:
            return False
        return self._session is None or queued > self._session.read_ahead_bytes

    def _accept_control(self, message: FrameMessage) -> bool:
        """Handle a control frame; return False if it is the client's last frame."""
        assert isinstance(message.payload, bytes)
        if message.opcode is Opcode.PING:
            self.write(server_frame(message.payload, Opcode.PONG))
        elif message.opcode is Opcode.CLOSE:
            try:
                parse_close(message.payload)
            except FrameError as error:
                self._end(error)
            else:
                self._end(None)
            return False
        return True

    def _end(self, error: FrameError | None) -> None:
        self._has_ended = True
        self._unparsed = b""
        if self._is_closing and error is None:
            self._close_tcp()
        self._context.disconnect_limiter.run(partial(self._put, error, 0))

    def _accept_message(self, message: str | bytes) -> None:
        """Pass a message to the session on arrival: attachments must follow their packet, PONG and acks cannot wait."""
        session = self._session
        if session is None:
            self._put(message, len(message))
        elif not session.is_closed:
            try:
                work = session.accept(message)
            except WireError as error:
                work = partial(_fail, session, error.with_traceback(None))  # a traceback would keep its frames alive
            if work is not None:
                self._put(work, len(message))

    def _put(self, item: ReceivedItem, size: int) -> None:
        """Wake ``receive``, or queue the item; pause reading when the queue is full."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(item)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append((item, size, self._context.loop.time()))
        self._queued_bytes += size + _ITEM_OVERHEAD_BYTES
        if self._is_queue_full():
            self._pause()

    def _next_arrival(self) -> asyncio.Future[ReceivedItem]:
        """Return the future of the item that arrives next; nothing is queued."""
        self._queue = self._arrived_at = None
        self._waiter = self._context.loop.create_future()
        return self._waiter

    def _take_queued(self) -> ReceivedItem:
        assert self._queue
        item, size, self._arrived_at = self._queue.popleft()
        self._queued_bytes -= size + _ITEM_OVERHEAD_BYTES
        if self._is_paused or self._unparsed:
            self._resume()
        return item

    async def _run(self, session: EngineSession) -> None:
        """Handle received items in order, to the end of the connection."""
        try:
            # Not ``receive``: a coroutine less for every message.
            while isinstance(item := self._take_queued() if self._queue else await self._next_arrival(), partial):
                await session.run(item, self._arrived_at)
            self._finish(session, item if isinstance(item, FrameError) else None)
        except BaseException:
            session.abort(DisconnectReason.TRANSPORT_ERROR)  # no other task would handle further packets
            raise

    def _finish(self, session: EngineSession, error: FrameError | None) -> None:
        if error is not None:
            session.fail(error)
            return
        session.close(DisconnectReason.TRANSPORT_CLOSE, CloseCode.NORMAL)
        self._close_tcp()

    def _close_tcp(self) -> None:
        # asyncio's TLS transport can be closed only once; afterwards it can neither be queried nor aborted.
        if not self._tcp.is_closing():
            self._tcp.close()

    def _abort_later(self) -> None:
        """Abort after the close timeout: a client that takes no byte would keep the connection open."""
        if self in self._context.connections:
            self._context.loop.call_later(self._context.options.linger_s, self._tcp.abort)


async def _fail(session: EngineSession, error: WireError) -> None:
    """Report a protocol error in order, after the packets that came before it."""
    session.fail(error)
