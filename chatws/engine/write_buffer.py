"""Bounded write buffer of a WebSocket, flushed once per event-loop iteration."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct

from chatws.engine.context import EngineContext

_DRAIN_CHECK_S = 0.02
_SIOCOUTQNSD = 0x894B
"""Linux ioctl: bytes in a TCP socket's queue that were not sent yet, because the peer's receive window is full."""
_INT = struct.Struct("i")


class WriteBuffer:
    """Writing half of a connection; aborts the client if the limit of buffered bytes is exceeded.

    The first chunk is the response to the handshake, sent in one call of the kernel with the first frames.
    """

    __slots__ = (
        "_allowance_bytes",
        "_context",
        "_is_closing",
        "_is_encrypted",
        "_pending",
        "_pending_bytes",
        "_tcp",
        "is_monitored",
        "written_bytes",
    )

    def __init__(self, context: EngineContext, tcp: asyncio.Transport) -> None:
        self.is_monitored = False
        """True while the write timeout monitor checks this connection."""
        self.written_bytes = 0
        self._context = context
        self._tcp = tcp
        # Set when the close frame is sent, or by the abort.
        self._is_closing = False
        # With TLS only the kernel has the number of unsent bytes; the write timeout monitor reads it.
        self._is_encrypted = is_encrypted(tcp)
        # Buffered bytes that the client requested itself.
        self._allowance_bytes = 0
        # Written in this event-loop iteration.
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Send frames at the end of this event-loop iteration; never closes the connection within the call."""
        if self._is_closing:
            return
        if not self._pending:
            self._context.flush_scheduler.add(self)
        self._pending.append(chunk)
        self._pending_bytes += len(chunk)

    def flush(self) -> None:
        """Pass the buffer to the asyncio transport; abort the client if the limit is exceeded."""
        pending, tcp = self._pending, self._tcp
        packets = len(pending)
        if not packets:
            return
        response_bytes = 0 if self.written_bytes else len(pending[0])
        chunk = pending[0] if packets == 1 else b"".join(pending)
        pending.clear()
        self._pending_bytes = 0
        if tcp.is_closing():
            return
        waiting = tcp.get_write_buffer_size()
        tcp.write(chunk)
        size = len(chunk)
        self.written_bytes += size
        stats = self._context.stats
        stats.packets_out += packets - 1 if response_bytes else packets
        stats.bytes_out += size - response_bytes
        buffered = tcp.get_write_buffer_size()
        if not buffered and not self._is_encrypted:
            return
        if not self.is_monitored:
            self._context.write_monitor.add(self)
        limit = self._context.options.max_outbox_bytes
        if limit and max(waiting, buffered - limit) - self._allowance_bytes > limit:
            self.abort_slow_client()

    def add_allowance(self, size: int) -> None:
        """Raise the limit by ``size`` until the buffer is empty."""
        if not self.buffered_bytes():
            self._allowance_bytes = 0
        self._allowance_bytes += size

    def buffered_bytes(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        return 0 if self._tcp.is_closing() else unsent_bytes(self._tcp) + self._pending_bytes

    @property
    def is_full(self) -> bool:
        """True if more than a quarter of the limit is buffered."""
        limit = self._context.options.max_outbox_bytes
        return 0 < limit < 4 * (self._pending_bytes + self._tcp.get_write_buffer_size())

    async def drain(self) -> None:
        """Wait until the buffer is no longer full, or the connection ended."""
        self.flush()
        while self.is_full and not self._is_closing and not self._tcp.is_closing():  # noqa: ASYNC110
            # asyncio's own flow control has other thresholds; this case is rare.
            await asyncio.sleep(_DRAIN_CHECK_S)

    def abort_slow_client(self) -> None:
        """Abort the connection: the client reads too slowly."""
        self.abort()

    def abort(self) -> None:
        """Abort the TCP connection and drop the buffer."""
        self._is_closing = True
        self._pending.clear()
        self._pending_bytes = 0
        self._tcp.abort()


def limit_send_buffer(tcp: asyncio.Transport, size: int) -> None:
    """Set SO_SNDBUF: without a limit the kernel buffers megabytes, which hides that a client is slow."""
    sock = tcp.get_extra_info("socket")
    if size and sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def is_encrypted(tcp: asyncio.Transport) -> bool:
    """Return True if the connection uses TLS."""
    return tcp.get_extra_info("sslcontext") is not None


def unsent_bytes(tcp: asyncio.Transport) -> int:
    """Return the bytes that the kernel did not take, and with TLS also those it could not send; 0 while closing.

    A TLS transport counts only the bytes above the encryption: both event loops buffer 64 KiB and more below it, which
    can be all that is ever sent to a client with little traffic.
    """
    if tcp.is_closing():
        return 0
    size = tcp.get_write_buffer_size()
    return size or (_unsent_by_kernel(tcp) if is_encrypted(tcp) else 0)


def _unsent_by_kernel(tcp: asyncio.Transport) -> int:
    try:
        result = fcntl.ioctl(tcp.get_extra_info("socket").fileno(), _SIOCOUTQNSD, bytes(_INT.size))
    except OSError:
        return 0
    size: int = _INT.unpack(result)[0]
    return size
