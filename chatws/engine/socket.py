"""One client in one namespace, as the program sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.errors import AckTimeout, SocketDisconnected
from chatws.engine.events import Handshake
from chatws.wire.errors import CloseCode
from chatws.wire.socketio import split_ack

if TYPE_CHECKING:
    from chatws.engine.connection import SocketIOConnection
    from chatws.engine.namespace import Namespace


class Socket:
    """Connecting until ``on_connect`` returned, then connected until its one end; it never connects again."""

    __slots__ = (
        "_calls",
        "_client",
        "_early",
        "_holds_admission",
        "_last_call",
        "connected",
        "data",
        "id",
        "namespace",
        "rooms",
    )

    def __init__(self, socket_id: str, namespace: Namespace, client: SocketIOConnection) -> None:
        self.id = socket_id
        """Public: other clients may know it."""
        self.namespace = namespace
        self.connected = False
        self.data: Any = None
        """The program's own."""
        self.rooms: set[str] = set()
        """Rooms it is in; change it with ``join`` and ``leave``."""
        self._client = client
        self._holds_admission = False
        # Set while connecting: what goes out after the answer to CONNECT.
        self._early: list[bytes] | None = []
        self._last_call = 0
        # Calls that wait for the client's ack; made with the first.
        self._calls: dict[int, asyncio.Future[list[object] | None]] | None = None

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"

    @property
    def handshake(self) -> Handshake:
        """How the client came."""
        return self._client.session.handshake

    @property
    def is_admitted(self) -> bool:
        """True while the client is somebody here."""
        return self.connected and not self._holds_admission

    def hold_admission(self) -> None:
        """In ``on_connect``: being connected is not enough, ``admit`` must follow before the deadline."""
        self._holds_admission = True

    def admit(self) -> None:
        """The client is somebody now."""
        self._holds_admission = False
        if self.connected:
            self._client.session.admit()

    def join(self, room: str) -> None:
        """Enter a room; nothing happens once the socket is gone."""
        if self.connected or self._early is not None:
            self.rooms.add(room)
            self.namespace.rooms.add(room, self)

    def leave(self, room: str) -> None:
        """Leave a room."""
        if room in self.rooms:
            self.rooms.discard(room)
            self.namespace.rooms.remove(room, self)

    def emit(self, name: str, *args: object) -> None:
        """Send an event; dropped once the socket is gone.

        Raises:
            TypeError: JSON has no form for an argument.
        """
        self.deliver(self.namespace.codec.event(name, args))

    async def call(self, name: str, *args: object, timeout_s: float = 10.0) -> list[object]:
        """Send an event and wait for the values of the client's ack, also from a handler of this very socket.

        At most 1 MiB that the client sent before the ack is read to find it.

        Raises:
            AckTimeout: no ack in time.
            Disconnected: not connected, or not any more.
        """
        if not self.connected:
            raise SocketDisconnected(name)
        self._last_call += 1
        ack_id = self._last_call
        future: asyncio.Future[list[object] | None] = asyncio.get_running_loop().create_future()
        if self._calls is None:
            self._calls = {}
        self._calls[ack_id] = future
        self._client.call_begins()
        try:
            self.deliver(self.namespace.codec.event(name, args, ack_id))
            async with asyncio.timeout(timeout_s):
                values = await future
        except TimeoutError:
            raise AckTimeout(name) from None
        finally:
            self._calls.pop(ack_id, None)
            self._client.call_ends()
        if values is None:
            raise SocketDisconnected(name)
        return values

    def disconnect(self, *, close: bool = True) -> None:
        """Send DISCONNECT, after which the client does not come back by itself; then close the transport.

        Without ``close`` the transport stays for the client's other sockets; left alone, it is closed as if the client
        had never been admitted.
        """
        self._client.disconnect(self, close=close)

    def close_transport(self, code: int = CloseCode.RESTART) -> None:
        """Close the transport without DISCONNECT: the client reconnects by itself."""
        self._client.session.close(DisconnectReason.FORCED_CLOSE, code)

    def deliver(self, chunk: bytes) -> None:
        """Send ready frames."""
        if self.connected:
            self._client.session.send(chunk)
        elif self._early is not None:
            self._early.append(chunk)

    def connect_answered(self) -> None:
        """For the engine: ``on_connect`` returned and CONNECT was answered."""
        early, self._early = self._early or (), None
        self.connected = True
        for chunk in early:
            self.deliver(chunk)
        if not self._holds_admission:
            self._client.session.admit()

    def take_ack(self, ack_id: int, raw_json: str, buffers: tuple[bytes, ...]) -> None:
        """For the engine: the client answered; an unknown or repeated id means nothing.

        Raises:
            PacketError: the values are not well formed.
        """
        values = self.namespace.codec.build(split_ack(raw_json), buffers)
        future = None if self._calls is None else self._calls.get(ack_id)
        if future is not None and not future.done():
            future.set_result(values)

    def end(self) -> None:
        """For the engine: out of all rooms, though ``rooms`` still names them; fail all calls."""
        self.connected = False
        self._early = None
        for room in self.rooms:
            self.namespace.rooms.remove(room, self)
        for future in (self._calls or {}).values():
            if not future.done():
                future.set_result(None)
