"""What goes out on one WebSocket: frames handed to the TCP transport once per turn, so many bytes at most."""

from __future__ import annotations

import asyncio
import socket

from chatws.engine.context import EngineContext
from chatws.engine.socket_buffer import is_encrypted, unsent_bytes

_POLL_S = 0.02


class WriteBuffer:
    """The writing half of a connection; who takes nothing is ``stalled``."""

    __slots__ = (
        "_core",
        "_granted_bytes",
        "_is_closing",
        "_is_encrypted",
        "_pending",
        "_pending_bytes",
        "_transport",
        "is_watched",
        "written_bytes",
    )

    def __init__(self, core: EngineContext, transport: asyncio.Transport) -> None:
        self.is_watched = False
        """Whether the stall watch looks at it."""
        self.written_bytes = 0
        self._core = core
        self._transport = transport
        # From our close frame on, or the abort.
        self._is_closing = False
        # Only the kernel knows what waits then; the watch asks it.
        self._is_encrypted = is_encrypted(transport)
        # What of the waiting bytes the client asked for itself.
        self._granted_bytes = 0
        # Written in this turn of the loop.
        self._pending: list[bytes] = []
        self._pending_bytes = 0

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
            # The transport tells of other amounts; this is no common case.
            await asyncio.sleep(_POLL_S)

    def stalled(self) -> None:
        """No byte was taken for the time allowed."""
        self.abort()

    def abort(self) -> None:
        """Cut the TCP connection and free what waits."""
        self._is_closing = True
        self._pending.clear()
        self._pending_bytes = 0
        self._transport.abort()

    def _take_pending(self) -> bytes:
        pending = self._pending
        chunk = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._pending_bytes = 0
        return chunk


def limit_send_buffer(transport: asyncio.Transport, size: int) -> None:
    """Keep the kernel from hiding how slow a client is: without a bound it takes megabytes."""
    tcp = transport.get_extra_info("socket")
    if size and tcp is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
