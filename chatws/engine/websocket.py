"""The WebSocket transport: frames written to the TCP transport once per turn, one loop that reads."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from chatws.engine.core import Core
from chatws.engine.reasons import Reason
from chatws.engine.unsent import is_encrypted, unsent_bytes
from chatws.wire.engineio import PacketType
from chatws.wire.errors import CloseCode, Fault, FrameError, WireError
from chatws.wire.frames import Opcode, close_frame, server_frame

if TYPE_CHECKING:
    from chatws.engine.session import Session

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_ACK_PREFIXES = ("43", "46", PacketType.PONG.value)
_READ_AHEAD_BYTES = 64 * 1024
_POLL_S = 0.02
_FRAME_FAULTS = {
    WSCloseCode.MESSAGE_TOO_BIG: Fault.OVERSIZE,
    WSCloseCode.INVALID_TEXT: Fault.ENCODING,
}


class Response(web.WebSocketResponse):
    """aiohttp's side of the handshake and the frame parser; the end of the connection is the link's affair.

    Its own ``close`` would answer a broken frame by cutting the connection, which can destroy the close frame on
    its way, and would wait ten seconds for a peer that we have given up.
    """

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Do nothing, see above."""
        del code, message, drain
        return False


async def accept_websocket(core: Core, request: web.Request) -> WebSocketLink:
    """Answer the upgrade request.

    Raises:
        web.HTTPBadRequest: it is not a valid WebSocket handshake.
        ConnectionResetError: the client is gone already.
    """
    response = Response(
        compress=False,
        autoclose=False,
        autoping=False,
        # aiohttp refuses a message of exactly the size it is told.
        max_msg_size=core.options.max_payload_bytes + 1,
    )
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    _limit_send_buffer(transport, core.options.send_buffer_bytes)
    return WebSocketLink(core, response, transport)


class WebSocketLink:
    """One WebSocket connection. Whoever awaits ``run`` owns it; ``read_ahead`` has its own short task."""

    __slots__ = (
        "_ahead",
        "_core",
        "_granted_bytes",
        "_is_closing",
        "_is_encrypted",
        "_pending",
        "_pending_bytes",
        "_session",
        "_stash",
        "_transport",
        "is_watched",
        "response",
        "written_bytes",
    )

    name: Final = "websocket"

    def __init__(self, core: Core, response: Response, transport: asyncio.Transport) -> None:
        self.response = response
        self.is_watched = False
        self.written_bytes = 0
        self._core = core
        self._transport = transport
        # Set when the link carries a session, which for an upgrade is after the probe.
        self._session: Session | None = None
        self._is_closing = False
        # Only the kernel knows what waits then; the watch asks it.
        self._is_encrypted = is_encrypted(transport)
        # What of the waiting bytes the client asked for itself.
        self._granted_bytes = 0
        # Written in this turn of the loop.
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        # Set while acks are looked for during a handler.
        self._ahead: asyncio.Task[None] | None = None
        # What was read ahead and waits for its turn.
        self._stash: deque[WSMessage] = deque()

    def write(self, chunk: bytes) -> None:
        """Send frames at the end of this turn of the loop; nothing is closed within this call."""
        if self._is_closing:
            return
        if not self._pending:
            self._core.flusher.add(self)
        self._pending.append(chunk)
        self._pending_bytes += len(chunk)

    def flush(self) -> None:
        """Hand what was written to the TCP transport; a client for whom too much waits is cut off."""
        if not self._pending:
            return
        chunk = self._take_pending()
        transport = self._transport
        if transport.is_closing():
            return
        waiting = transport.get_write_buffer_size()
        transport.write(chunk)
        self.written_bytes += len(chunk)
        buffered = transport.get_write_buffer_size()
        if not buffered and not self._is_encrypted:
            return
        if not self.is_watched:
            self._core.stalls.add(self)
        limit = self._core.options.max_outbox_bytes
        if limit and max(waiting, buffered - limit) - self._granted_bytes > limit:
            self.stalled()

    def grant(self, size: int) -> None:
        """Let that many bytes more wait until nothing does."""
        if not self.buffered_bytes():
            self._granted_bytes = 0
        self._granted_bytes += size

    def buffered_bytes(self) -> int:
        """Bytes the kernel has not taken yet."""
        return 0 if self._transport.is_closing() else unsent_bytes(self._transport) + self._pending_bytes

    @property
    def is_full(self) -> bool:
        """True when a quarter of what may wait does."""
        limit = self._core.options.max_outbox_bytes
        return 0 < limit < 4 * (self._pending_bytes + self._transport.get_write_buffer_size())

    async def room(self) -> None:
        """Wait until less waits, or the stall watch or the client ended the connection."""
        self.flush()
        while self.is_full and not self._is_closing and not self._transport.is_closing():  # noqa: ASYNC110
            # aiohttp keeps the transport's resume signal to itself; this is no common case.
            await asyncio.sleep(_POLL_S)

    def stalled(self) -> None:
        """No byte was taken for the time allowed."""
        if self._session is None or self._session.is_closed:
            self.abort()
        else:
            self._session.too_slow()

    def close(self, reason: Reason, code: int) -> None:
        """Send the close frame and leave the client a moment to take it; then the TCP connection is aborted."""
        del reason
        if self._is_closing:
            return
        self.write(close_frame(code))
        self.flush()
        self._is_closing = True
        self._core.loop.call_later(self._core.options.linger_s, self._transport.abort)

    def abort(self) -> None:
        """Cut the TCP connection and free what waits."""
        self._is_closing = True
        self._pending.clear()
        self._pending_bytes = 0
        self._transport.abort()

    async def wait_closed(self) -> None:
        """Discard what comes until the connection ends, which ``close`` has bounded."""
        while (await self.receive()).type in (_TEXT, _BINARY):
            pass
        self._transport.close()

    async def receive(self) -> WSMessage:
        """Give the next message; WebSocket's own pings are answered on the way."""
        while True:
            message = await self.response.receive()
            if not self._answers_ping(message):
                return message

    def carry(self, session: Session) -> None:
        """Belong to a session from now on."""
        self._session = session

    async def run(self, session: Session) -> None:
        """Read and handle until the connection ends; the session is closed when this returns."""
        receive = self.response.receive
        while True:
            is_plain = self._ahead is None and not self._stash
            message = await (receive() if is_plain else self._next())
            if message.type is not _TEXT and message.type is not _BINARY:
                if self._answers_ping(message):
                    continue
                break
            if session.is_closed:
                continue
            try:
                work = session.accept(message.data)
            except WireError as error:
                session.fail(error)
                continue
            if work is not None:
                await session.run(work)
        await self._end(session, message)

    def read_ahead(self) -> None:
        """Start looking for acks, unless that is being done."""
        if self._ahead is None:
            self._ahead = self._core.start_task(self._read_acks())

    async def _next(self) -> WSMessage:
        if self._ahead is not None:
            # Cancelling loses nothing: aiohttp takes a message from its queue only after its last await.
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
            self._ahead = None
        if self._stash:
            return self._stash.popleft()
        return await self.receive()

    async def _read_acks(self) -> None:
        """Deal with acks and PONG at once and keep the rest, in order, while a handler runs.

        A full stash stops the reading: TCP holds the client back and the call runs into its timeout.
        """
        session = self._session
        assert session is not None
        room = _READ_AHEAD_BYTES
        while room > 0 and session.receiver.awaits_ack and not session.is_closed:
            message = await self.receive()
            try:
                if _is_ack(message, awaits_binary=session.receiver.awaits_binary):
                    session.accept(message.data)
                    continue
            except WireError as error:
                session.fail(error)
                return
            self._stash.append(message)
            if message.type is not _TEXT and message.type is not _BINARY:
                return
            room -= len(message.data)

    async def _end(self, session: Session, message: WSMessage) -> None:
        if not session.is_closed:
            await self._core.departures.take()
        if isinstance(message.data, WebSocketError):
            fault = _FRAME_FAULTS.get(WSCloseCode(message.data.code), Fault.MALFORMED)
            session.fail(FrameError(fault, "broken WebSocket frame"))
            # The parser is dead but aiohttp still discards what arrives, which keeps the close frame alive.
            while not self._transport.is_closing():  # noqa: ASYNC110 - aiohttp does not say; ``close`` bounds it
                await asyncio.sleep(_POLL_S)
        elif message.type is WSMsgType.ERROR:
            session.close(Reason.TRANSPORT_ERROR)
        else:
            session.close(Reason.TRANSPORT_CLOSE, CloseCode.NORMAL)
        self._is_closing = True
        self._transport.close()
        if self.buffered_bytes():
            self._transport.abort()

    def _answers_ping(self, message: WSMessage) -> bool:
        """Deal with WebSocket's own heartbeat; False when the message is something else."""
        if message.type is WSMsgType.PING:
            self.write(server_frame(bytes(message.data), Opcode.PONG))
        return message.type in (WSMsgType.PING, WSMsgType.PONG)

    def _take_pending(self) -> bytes:
        pending = self._pending
        chunk = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._pending_bytes = 0
        return chunk


def _is_ack(message: WSMessage, *, awaits_binary: bool) -> bool:
    if message.type is _BINARY:
        return awaits_binary
    return message.type is _TEXT and message.data.startswith(_ACK_PREFIXES)


def _limit_send_buffer(transport: asyncio.Transport, size: int) -> None:
    """Keep the kernel from hiding how slow a client is: without a bound it takes megabytes."""
    tcp = transport.get_extra_info("socket")
    if size and tcp is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
