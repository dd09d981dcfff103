"""Server's end of a simulated connection: a transport of the engine, and the task that handles its packets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from chatws.engine.events import DisconnectReason
from chatws.engine.session import EngineSession
from chatws.engine.transport import Work
from chatws.wire.client_packets import TransportClosed
from chatws.wire.errors import WireError
from chatws_loadtest.simulate.packets import ConnectionReset, ServerPacket
from chatws_loadtest.simulate.virtual_loop import SimulatedProcess


class OutputListener(Protocol):
    """Check of everything that a server writes to a connection."""

    def written(self, packets: list[ServerPacket]) -> list[ServerPacket]:
        """Check packets and return those that the network does not lose."""


class SimulatedTransport:
    """`chatws.engine.transport.Transport` that writes to a link."""

    name: Final = "websocket"
    is_full: Final = False

    def __init__(
        self,
        process: SimulatedProcess,
        read: Callable[[bytes], list[ServerPacket]],
        listener: OutputListener,
        send: Callable[[object], None],
    ) -> None:
        self._process = process
        self._read = read
        self._listener = listener
        self._send = send
        self.is_closed = False

    def write(self, chunk: bytes) -> None:
        """Send frames."""
        if not self.is_closed and not self._process.is_dead:
            packets = self._listener.written(self._read(chunk))
            if packets:
                self._send(packets)

    def add_allowance(self, size: int) -> None:
        """Do nothing: the write buffer has no limit."""

    def buffered_bytes(self) -> int:
        """Return 0."""
        return 0

    async def drain(self) -> None:
        """Return at once."""

    def update_read_limit(self) -> None:
        """Do nothing."""

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Send a close frame."""
        del reason
        self._end(TransportClosed(code))

    def abort(self) -> None:
        """Reset the connection."""
        self._end(ConnectionReset("connection reset"))

    def _end(self, packet: ServerPacket) -> None:
        if not self.is_closed and not self._process.is_dead:
            self.is_closed = True
            self._send([packet])


class SessionReader:
    """Task that handles the packets of one session in order, as that of a WebSocket does."""

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Work | None, float]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the session is open."""
        return not self._session.is_closed

    def receive(self, packet: object) -> None:
        """Take a packet of the client; None is the end of the connection."""
        if packet is None:
            self._put(None)
            return
        if self._session.is_closed:
            return
        assert isinstance(packet, str)
        try:
            work = self._session.accept(packet)
        except WireError as error:
            self._session.fail(error)
            return
        if work is not None:
            self._put(work)

    async def run(self) -> None:
        """Handle packets until the end of the connection."""
        while True:
            arrived_at: float | None = None
            if self._queue:
                work, arrived_at = self._queue.popleft()
            else:
                self._waiter = self._loop.create_future()
                await self._waiter
                self._waiter = None
                work, _ = self._queue.popleft()
            if work is None:
                self._session.close(DisconnectReason.TRANSPORT_CLOSE)
                return
            await self._session.run(work, arrived_at)

    def _put(self, work: Work | None) -> None:
        self._queue.append((work, self._loop.time()))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
