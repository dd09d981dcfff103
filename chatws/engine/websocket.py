"""The WebSocket transport: taken over from HTTP, read in portions, messages handled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.transport import READ_AHEAD_BYTES, Work
from chatws.engine.write_buffer import WriteBuffer, limit_send_buffer
from chatws.engine.ws_handshake import answer_handshake, take_over
from chatws.wire.errors import CloseCode, FrameError, WireError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role, parse_close
from chatws.wire.frames import Opcode, close_frame, server_frame

if TYPE_CHECKING:
    from chatws.engine.session import EngineSession

Arrival = str | bytes | Work | FrameError | None
"""A message, or once there is a session, what handles it; or the end: a broken frame, or None: the client is gone."""

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY
_ARRIVAL_BYTES = 512
"""What an arrival costs beside its text: empty messages are bounded, too."""
_PORTION_BYTES = 4 * 1024
"""So much is read in one turn of the loop.

uvloop hands over up to 8 MB per turn and connection: in empty frames those kept everybody else waiting for seconds.
"""


def accept_websocket(core: EngineContext, request: web.Request) -> WebSocketTransport:
    """Answer the upgrade request and take the connection over.

    Raises:
        web.HTTPBadRequest: it is not a valid WebSocket handshake.
        ConnectionResetError: the client is gone already.
    """
    answer = answer_handshake(request)
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    limit_send_buffer(transport, core.options.send_buffer_bytes)
    link = WebSocketTransport(core, transport)
    link.write(answer)
    rest = take_over(request, transport, link)
    if rest:
        link.data_received(rest)
    return link


class WebSocketTransport(WriteBuffer, asyncio.Protocol):
    """One WebSocket connection; from ``begin`` on one task handles what arrives.

    A task for each message would cost the event loop about 4 % more; one that waits takes 1.5 kB.
    """

    __slots__ = (
        "_has_ended",
        "_is_lost",
        "_is_paused",
        "_reader",
        "_reads_on",
        "_session",
        "_since",
        "_unread",
        "_waiter",
        "_waiting",
        "_waiting_bytes",
    )

    name: Final = "websocket"

    def __init__(self, core: EngineContext, transport: asyncio.Transport) -> None:
        super().__init__(core, transport)
        self._reader = FrameParser(Role.SERVER, max_message_bytes=core.options.max_payload_bytes)
        # Set while the link carries a session, which for an upgrade is after the probe.
        self._session: EngineSession | None = None
        # From the client's close frame, its last byte or its first broken one on.
        self._has_ended = False
        # From the end of the TCP connection on.
        self._is_lost = False
        # What arrived while nobody waited for it, its size, and when.
        self._waiting: deque[tuple[Arrival, int, float]] | None = None
        self._waiting_bytes = 0
        # When that arrived which ``receive`` gave last; None: just now.
        self._since: float | None = None
        # Received, and left to the next turns of the loop; read in the next one if ``_reads_on``.
        self._unread = b""
        self._reads_on = False
        # From too much of either on.
        self._is_paused = False
        # Set while ``receive`` waits.
        self._waiter: asyncio.Future[Arrival] | None = None
        core.connections.add(self)

    def stalled(self) -> None:
        """No byte was taken for the time allowed."""
        if self._session is None or self._session.is_closed:
            super().stalled()
        else:
            self._session.too_slow()

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Send the close frame and leave the client a moment to take it; then the TCP connection is aborted."""
        del reason
        if self._is_closing:
            return
        self.write(close_frame(code))
        self.flush()
        self._is_closing = True
        self._linger()

    async def receive(self) -> Arrival:
        """Give what arrives next."""
        if self._waiting:
            return self._take_waiting()
        self._waiting = self._since = None
        self._waiter = self._core.loop.create_future()
        return await self._waiter

    def carry(self, session: EngineSession) -> None:
        """Belong to a session from now on."""
        self._session = session
        waiting, self._waiting = self._waiting or (), None
        self._waiting_bytes = 0
        for arrival, size, _ in waiting:
            if isinstance(arrival, str | bytes):
                self._arrived(arrival)
            else:
                self._hand_on(arrival, size)
        self._go_on()

    def read_on(self) -> None:
        """Read what was held back, if more may wait now."""
        if self._is_paused or self._unread:
            self._go_on()

    def begin(self) -> None:
        """Handle what has arrived since the link was made, and what arrives from now on."""
        assert self._session is not None
        self._core.start_task(self._run(self._session))

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client; those behind its end are discarded, which keeps our close frame alive."""
        if self._has_ended:
            return
        if len(data) <= _PORTION_BYTES and not self._unread:
            self._read(data)
        else:
            self._unread += data
            self._pause()
            self._go_on()

    def eof_received(self) -> None:
        """Leave what waits a moment, too, when the client sends no more: the loop would leave it for ever."""
        self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone; what it brought is read to its end."""
        del exc
        self._is_lost = True
        self._core.forget_connection(self)
        if not self._has_ended and (self._is_closing or not self._unread):
            self._end(None)

    def _read(self, data: bytes) -> None:
        messages, error = self._reader.read(data)
        for message in messages:
            if message.opcode is _TEXT or message.opcode is _BINARY:
                if not self._is_closing:
                    self._arrived(message.payload)
            elif not self._control(message):
                return
        if error is not None:
            self._end(error)

    def _read_on(self) -> None:
        """Read the next portion."""
        self._reads_on = False
        portion, self._unread = self._unread[:_PORTION_BYTES], self._unread[_PORTION_BYTES:]
        if portion:
            self._read(portion)
        if self._is_lost and not self._unread and not self._has_ended:
            self._end(None)
        self._go_on()

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Read what is there already, then what the client sends, unless too much waits for the handler."""
        if self._is_far_ahead():
            return
        if self._unread:
            if not self._reads_on:
                self._reads_on = True
                self._core.loop.call_soon(self._read_on)
        elif self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _is_far_ahead(self) -> bool:
        """Tell whether enough waits for the handler that runs."""
        waiting = self._waiting_bytes
        if waiting <= READ_AHEAD_BYTES:
            return False
        return self._session is None or waiting > self._session.read_ahead_bytes

    def _control(self, message: FrameMessage) -> bool:
        """Deal with a control frame; False when it is the client's last."""
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

    def _end(self, end: FrameError | None) -> None:
        self._has_ended = True
        self._unread = b""
        if self._is_closing and end is None:
            self._hang_up()
        self._hand_on(end, 0)

    def _arrived(self, message: str | bytes) -> None:
        """Let a session take a message at once, so that attachments follow their packet, and what it says count."""
        session = self._session
        if session is None:
            self._hand_on(message, len(message))
        elif not session.is_closed:
            try:
                work = session.accept(message)
            except WireError as error:
                work = partial(_breach, session, error.with_traceback(None))  # which would keep all it was raised in
            if work is not None:
                self._hand_on(work, len(message))

    def _hand_on(self, arrival: Arrival, size: int) -> None:
        """Wake who waits for it, or let it wait its turn; when too much does, TCP holds the client back."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(arrival)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((arrival, size, self._core.loop.time()))
        self._waiting_bytes += size + _ARRIVAL_BYTES
        if self._is_far_ahead():
            self._pause()

    def _take_waiting(self) -> Arrival:
        assert self._waiting
        arrival, size, self._since = self._waiting.popleft()
        self._waiting_bytes -= size + _ARRIVAL_BYTES
        if self._is_paused or self._unread:
            self._go_on()
        return arrival

    async def _run(self, session: EngineSession) -> None:
        """Handle what arrives, in order, to the end."""
        try:
            while isinstance(arrival := await self.receive(), partial):
                await session.run(arrival, self._since)
            await self._leave(session, arrival if isinstance(arrival, FrameError) else None)
        except BaseException:
            session.abort(DisconnectReason.TRANSPORT_ERROR)  # nobody would handle what comes
            raise

    async def _leave(self, session: EngineSession, error: FrameError | None) -> None:
        if not session.is_closed:
            await self._core.departures.take()
        if error is not None:
            session.fail(error)
            return
        session.close(DisconnectReason.TRANSPORT_CLOSE, CloseCode.NORMAL)
        self._hang_up()

    def _hang_up(self) -> None:
        # asyncio's TLS transport can be closed only once: then it can neither be asked nor aborted any more.
        if not self._transport.is_closing():
            self._transport.close()

    def _linger(self) -> None:
        """Abort the connection in a moment, if it is still there: a client that takes no byte keeps it open."""
        if self in self._core.connections:
            self._core.loop.call_later(self._core.options.linger_s, self._transport.abort)


async def _breach(session: EngineSession, error: WireError) -> None:
    """Stand for a packet that breaks the protocol: what came before it is handled first."""
    session.fail(error)
