"""The long-polling transport: what waits for the next poll, and the poll that waits."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import OUR_DECISION, QUIET_ENDS, DisconnectReason
from chatws.engine.receive_queue import ReceiveQueue
from chatws.wire.engineio import EnginePacketType, join_payload
from chatws.wire.frames import Opcode, iter_server_frames, server_frame

if TYPE_CHECKING:
    from chatws.engine.session import EngineSession

_NOOP_FRAME = server_frame(EnginePacketType.NOOP.value.encode())
_CLOSE_FRAME = server_frame(EnginePacketType.CLOSE.value.encode())


class PollingTransport:
    """The two halves of long-polling for one session: an outbox for GET and a backlog for POST."""

    __slots__ = (
        "_core",
        "_granted_bytes",
        "_is_gone",
        "_is_overfull",
        "_outbox",
        "_outbox_bytes",
        "_releases_polls",
        "_taken",
        "_transport",
        "_waiter",
        "backlog",
        "is_posting",
        "is_upgrading",
        "session",
    )

    name: Final = "polling"

    def __init__(self, core: EngineContext, session: EngineSession) -> None:
        self.session = session
        self.backlog = ReceiveQueue(session)
        self.is_posting = False
        """True while the body of a POST is read."""
        self.is_upgrading = False
        """True while a WebSocket tries to replace this link."""
        # Set from the probe to the end of the upgrade: polls are answered at once.
        self._releases_polls = False
        self._core = core
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        # What of it the client asked for itself.
        self._granted_bytes = 0
        self._is_overfull = False
        self._is_gone = False
        # Set while a handler waits for room.
        self._taken: asyncio.Event | None = None
        # Set while a poll is open: its connection, and while it is parked, what wakes it.
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None

    def write(self, chunk: bytes) -> None:
        """Put frames into the outbox; too much there ends the session, but not within this call."""
        if self._is_gone:
            return
        limit = self._core.options.max_outbox_bytes
        waiting = self._outbox_bytes
        self._outbox.append(chunk)
        self._outbox_bytes += len(chunk)
        self._wake()
        excess = max(waiting, self._outbox_bytes - limit) - self._granted_bytes
        if limit and not self._is_overfull and excess > limit:
            self._is_overfull = True
            self._core.loop.call_soon(self.session.too_slow)

    def grant(self, size: int) -> None:
        """Let that many bytes more wait until the next poll."""
        self._granted_bytes += size

    def buffered_bytes(self) -> int:
        """Bytes that wait for a poll."""
        return self._outbox_bytes

    @property
    def is_full(self) -> bool:
        """True when a quarter of what may wait does."""
        return 0 < self._core.options.max_outbox_bytes < 4 * self._outbox_bytes

    async def room(self) -> None:
        """Wait until a poll takes what waits; who does not poll for as long as bytes may wait is too slow.

        The heartbeat would wait, too: for the handler that waits here.
        """
        while self.is_full and not self._is_gone:
            self._taken = self._taken or asyncio.Event()
            try:
                async with asyncio.timeout(self._core.options.write_stall_s or None):
                    await self._taken.wait()
            except TimeoutError:
                self.session.too_slow()

    def read_on(self) -> None:
        """Answer the POST that is held back, if more may wait now."""
        self.backlog.look_again()

    async def emptied(self) -> None:
        """Wait until a poll has taken everything that waits."""
        while self._outbox and not self._is_gone:
            self._taken = self._taken or asyncio.Event()
            await self._taken.wait()

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Answer the parked poll; where the client is well, keep what waits for the next poll a while."""
        del code
        if reason not in QUIET_ENDS:
            self.write(_CLOSE_FRAME)
        self._is_gone = True
        self._wake()
        self._make_room()
        # A client that sends CLOSE has often sent its last GET at the same time, on another connection.
        has_last_words = reason is DisconnectReason.TRANSPORT_CLOSE or (reason in OUR_DECISION and bool(self._outbox))
        if has_last_words and self._transport is None:
            self._core.last_polls[self.session.sid] = self
            self._core.loop.call_later(self._core.options.polling_linger_s, self._forget)

    def abort(self) -> None:
        """Cut the connection of the open poll and drop what waits."""
        self._is_gone = True
        self._outbox.clear()
        self._outbox_bytes = 0
        if self._transport is not None:
            self._transport.abort()
        self._wake()
        self._make_room()

    @property
    def is_polled(self) -> bool:
        """True while a poll is open."""
        return self._transport is not None

    def begin_poll(self, transport: asyncio.Transport) -> None:
        """Note the connection of a new poll."""
        self._transport = transport

    def end_poll(self) -> None:
        """Note that the poll was answered or its connection lost."""
        self._transport = None

    async def next_body(self) -> bytes:
        """Wait until something is to be said and take all of it as the body of the poll's answer."""
        if not self._outbox and not self._releases_polls and not self._is_gone:
            self._waiter = self._core.loop.create_future()
            self._core.parked.add(self)
            try:
                await self._waiter
            finally:
                self._core.parked.discard(self)
                self._waiter = None
        return _as_body(self.take() or [_NOOP_FRAME])

    def take(self) -> list[bytes]:
        """Take everything out of the outbox."""
        chunks, self._outbox = self._outbox, []
        self._outbox_bytes = 0
        self._granted_bytes = 0
        self._core.last_polls.pop(self.session.sid, None)
        self._make_room()
        return chunks

    def release_polls(self, *, at_once: bool = True) -> None:
        """Answer the parked poll, so that the client can stop polling, and the next ones at once; or stop that."""
        self._releases_polls = at_once
        if at_once:
            self._wake()

    def give_up(self) -> list[bytes]:
        """Give everything that waits to the link that replaces this one."""
        self._is_gone = True
        self._wake()
        return self.take()

    def is_cancelled(self) -> bool:
        """Tell whether the connection of the parked poll is gone."""
        return self._transport is not None and self._transport.is_closing()

    def cancelled(self) -> None:
        """End the session after what it has received.

        Its packets may have been lost with the poll, and official clients come back anew.
        """
        self.abort()
        self.backlog.add(partial(self._lost), 0)

    async def _lost(self) -> None:
        self.session.abort(DisconnectReason.TRANSPORT_CLOSE)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _make_room(self) -> None:
        if self._taken is not None:
            self._taken.set()
            self._taken = None

    def _forget(self) -> None:
        self._core.last_polls.pop(self.session.sid, None)


def _as_body(chunks: list[bytes]) -> bytes:
    messages: list[str | bytes] = []
    for chunk in chunks:
        for opcode, payload in iter_server_frames(chunk):
            messages.append(payload.decode() if opcode is Opcode.TEXT else payload)
    return join_payload(messages)
