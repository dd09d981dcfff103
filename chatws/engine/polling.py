"""Long-polling transport: outbox for GET, receive queue for POST."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

from chatws.engine.context import EngineContext
from chatws.engine.events import REASONS_WITHOUT_CLOSE_PACKET, SERVER_INITIATED, DisconnectReason
from chatws.engine.session import EngineSession
from chatws.engine.transport import Work
from chatws.wire.engineio import EnginePacketType, join_payload
from chatws.wire.frames import Opcode, iter_server_frames, server_frame

_NOOP_FRAME = server_frame(EnginePacketType.NOOP.value.encode())
_CLOSE_FRAME = server_frame(EnginePacketType.CLOSE.value.encode())
_PACKETS_PER_ITERATION = 64
"""A body can hold 8,000 events, which handled in one event-loop iteration delayed all other clients for 250 ms."""


class ReceiveQueue:
    """Queue of received packets, handled in order by a task that exists only while the queue is not empty.

    The limit may be exceeded by one body: a POST is answered only when no more than ``EngineSession.read_ahead_bytes``
    are queued, and a client has one POST at a time.
    """

    __slots__ = ("_bytes", "_is_running", "_items", "_progress", "_session")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        # Work with its size, and its arrival if it is queued behind other work.
        self._items: deque[tuple[Work, int, float | None]] = deque()
        self._bytes = 0
        self._is_running = False
        # Set while ``wait_for_space`` or ``wait_until_empty`` waits.
        self._progress: asyncio.Event | None = None

    @property
    def queued_bytes(self) -> int:
        """Size of the packets that are queued or being handled."""
        return self._bytes

    def add(self, work: Work, size: int) -> None:
        """Queue the work of a packet of ``size`` bytes."""
        self._items.append((work, size, self._session.context.loop.time() if self._is_running else None))
        self._bytes += size
        if not self._is_running:
            self._is_running = True
            self._session.context.start_task(self._run())

    async def wait_for_space(self) -> None:
        """Wait until the queue is below its limit."""
        while self._bytes > self._session.read_ahead_bytes:
            await self._wait_for_progress()

    def recheck_limit(self) -> None:
        """Wake ``wait_for_space`` after the limit changed."""
        self._notify()

    async def wait_until_empty(self) -> None:
        """Wait until no work is queued or running."""
        while self._is_running:
            await self._wait_for_progress()

    async def _wait_for_progress(self) -> None:
        if self._progress is None:
            self._progress = asyncio.Event()
        await self._progress.wait()

    async def _run(self) -> None:
        handled = 0
        try:
            while self._items:
                work, size, arrived_at = self._items.popleft()
                await self._session.run(work, arrived_at)
                self._bytes -= size
                self._notify()
                handled += 1
                if not handled % _PACKETS_PER_ITERATION:
                    await asyncio.sleep(0)
        except BaseException:
            self._session.abort(DisconnectReason.TRANSPORT_ERROR)  # no other task would handle further packets
            raise
        finally:
            self._items.clear()
            self._bytes = 0
            self._is_running = False
            self._notify()

    def _notify(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None


class PollingTransport:
    """Long-polling of one session."""

    __slots__ = (
        "_allowance_bytes",
        "_context",
        "_is_closed",
        "_is_over_limit",
        "_outbox",
        "_outbox_bytes",
        "_poll_tcp",
        "_releases_polls",
        "_taken",
        "_waiter",
        "awaits_last_poll",
        "is_posting",
        "is_upgrading",
        "receive_queue",
        "session",
    )

    name: Final = "polling"

    def __init__(self, context: EngineContext, session: EngineSession) -> None:
        self.session = session
        self.receive_queue = ReceiveQueue(session)
        self.is_posting = False
        """True while the body of a POST is read."""
        self.is_upgrading = False
        """True while a WebSocket probe for this session is open."""
        self.awaits_last_poll = False
        """True if it was closed with packets that the client may still fetch."""
        # True from the probe to the end of the upgrade: polls are answered at once.
        self._releases_polls = False
        self._context = context
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        # Bytes in the outbox that the client requested itself.
        self._allowance_bytes = 0
        self._is_over_limit = False
        self._is_closed = False
        # Set while ``drain`` or ``wait_until_polled`` waits.
        self._taken: asyncio.Event | None = None
        # Set while a GET is open: its connection, and while it waits for packets, its future.
        self._poll_tcp: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None

    def write(self, chunk: bytes) -> None:
        """Add frames to the outbox; beyond its limit the session is aborted, but never within this call."""
        if self._is_closed:
            return
        limit = self._context.options.max_outbox_bytes
        waiting = self._outbox_bytes
        self._outbox.append(chunk)
        self._outbox_bytes += len(chunk)
        self._wake_poll()
        excess = max(waiting, self._outbox_bytes - limit) - self._allowance_bytes
        if limit and not self._is_over_limit and excess > limit:
            self._is_over_limit = True
            self._context.loop.call_soon(self.session.abort_slow_client)

    def add_allowance(self, size: int) -> None:
        """Raise the limit by ``size`` until the next poll."""
        self._allowance_bytes += size

    def buffered_bytes(self) -> int:
        """Return the bytes that wait for a poll."""
        return self._outbox_bytes

    @property
    def is_full(self) -> bool:
        """True if the outbox holds more than a quarter of its limit."""
        return 0 < self._context.options.max_outbox_bytes < 4 * self._outbox_bytes

    async def drain(self) -> None:
        """Wait until a poll takes the outbox; abort a client that does not poll within the write timeout.

        The heartbeat would not detect it: it waits for the running handler, which waits here.
        """
        while self.is_full and not self._is_closed:
            self._taken = self._taken or asyncio.Event()
            try:
                async with asyncio.timeout(self._context.options.write_stall_s or None):
                    await self._taken.wait()
            except TimeoutError:
                self.session.abort_slow_client()

    def update_read_limit(self) -> None:
        """Answer the delayed POST if the session now allows more to be queued."""
        self.receive_queue.recheck_limit()

    async def wait_until_polled(self) -> None:
        """Wait until the outbox is empty."""
        while self._outbox and not self._is_closed:
            self._taken = self._taken or asyncio.Event()
            await self._taken.wait()

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Answer the pending poll; if the client is still connected, keep the outbox for its next poll."""
        del code
        if reason not in REASONS_WITHOUT_CLOSE_PACKET:
            self.write(_CLOSE_FRAME)
        self._is_closed = True
        self._wake_poll()
        self._notify_taken()
        # A client that sends CLOSE has often sent its last GET at the same time, on another connection.
        has_packets = bool(self._outbox) and reason in SERVER_INITIATED
        self.awaits_last_poll = self._poll_tcp is None and (has_packets or reason is DisconnectReason.TRANSPORT_CLOSE)

    def abort(self) -> None:
        """Abort the connection of the open GET and drop the outbox."""
        self._is_closed = True
        self._outbox.clear()
        self._outbox_bytes = 0
        if self._poll_tcp is not None:
            self._poll_tcp.abort()
        self._wake_poll()
        self._notify_taken()

    @property
    def is_polled(self) -> bool:
        """True while a GET is open."""
        return self._poll_tcp is not None

    def begin_poll(self, tcp: asyncio.Transport) -> None:
        """Store the connection of a new GET."""
        self._poll_tcp = tcp

    def end_poll(self) -> None:
        """Clear the connection of a GET that was answered or lost."""
        self._poll_tcp = None

    async def next_body(self) -> bytes:
        """Wait for packets and return all of them as the body of the response."""
        if not self._outbox and not self._releases_polls and not self._is_closed:
            self._waiter = self._context.loop.create_future()
            self._context.poll_monitor.add(self)
            try:
                await self._waiter
            finally:
                self._context.poll_monitor.discard(self)
                self._waiter = None
        chunks = self.take_outbox()
        stats = self._context.stats
        stats.packets_out += len(chunks)
        stats.bytes_out += sum(map(len, chunks))
        return _encode_body(chunks or [_NOOP_FRAME])

    def take_outbox(self) -> list[bytes]:
        """Empty the outbox and return its frames."""
        chunks, self._outbox = self._outbox, []
        self._outbox_bytes = 0
        self._allowance_bytes = 0
        self._notify_taken()
        return chunks

    def release_polls(self, *, at_once: bool = True) -> None:
        """Answer the pending poll and the next ones at once, so that the client can stop polling; False reverts it."""
        self._releases_polls = at_once
        if at_once:
            self._wake_poll()

    def hand_over(self) -> list[bytes]:
        """Close this transport and return its outbox for the WebSocket that replaces it."""
        self._is_closed = True
        self._wake_poll()
        return self.take_outbox()

    def is_disconnected(self) -> bool:
        """Return True if the connection of the pending poll is closed."""
        return self._poll_tcp is not None and self._poll_tcp.is_closing()

    def disconnected(self) -> None:
        """Abort the session after the packets received before are handled.

        The packets of the outbox may be lost with the poll; official clients reconnect with a new session.
        """
        self.abort()
        self.receive_queue.add(partial(self._abort_session), 0)

    async def _abort_session(self) -> None:
        self.session.abort(DisconnectReason.TRANSPORT_CLOSE)

    def _wake_poll(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _notify_taken(self) -> None:
        if self._taken is not None:
            self._taken.set()
            self._taken = None


def _encode_body(chunks: list[bytes]) -> bytes:
    messages: list[str | bytes] = []
    for chunk in chunks:
        for opcode, payload in iter_server_frames(chunk):
            messages.append(payload.decode() if opcode is Opcode.TEXT else payload)
    return join_payload(messages)
