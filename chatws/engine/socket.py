"""Socket: one client in one namespace, as the program uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

from chatws.engine.adapter import Adapter, BroadcastOperator
from chatws.engine.codec import EventCodec
from chatws.engine.errors import AckTimeout, SocketDisconnected
from chatws.engine.events import DisconnectReason, Handshake
from chatws.engine.session import EngineSession
from chatws.wire.errors import CloseCode
from chatws.wire.socketio import split_ack

if TYPE_CHECKING:
    # A default keeps a plain ``Socket`` in annotations valid; before Python 3.13 only type checkers have it.
    from typing_extensions import TypeVar

    DataT = TypeVar("DataT", default=Any)
else:
    from typing import TypeVar

    DataT = TypeVar("DataT")

_LARGE_ACK_BYTES = 16 * 1024
"""Larger acks do not count against the write buffer limit: a page of history would disconnect the client that requested
it."""


class SocketNamespace(Protocol):
    """Namespace of a socket."""

    @property
    def name(self) -> str:
        """Name, such as ``/``."""

    @property
    def codec(self) -> EventCodec:
        """Encoder of the namespace's events."""

    @property
    def adapter(self) -> Adapter[Socket]:
        """Sockets and rooms."""

    def to(self, *rooms: str) -> BroadcastOperator[Socket]:
        """Select the members of at least one of the rooms."""

    def emit(self, name: str, *args: object) -> int:
        """Send an event to all connected sockets; return their number."""


class SocketConnection(Protocol):
    """Socket.IO connection that carries a socket."""

    def disconnect(self, socket: Socket, *, close: bool) -> None:
        """Send DISCONNECT and end the socket; with ``close``, close the transport soon after."""

    def begin_call(self) -> None:
        """Count a call that waits for the client's ack."""

    def end_call(self) -> None:
        """Count down a call that no longer waits for an ack."""


class Socket(Generic[DataT]):
    """Socket: connecting until ``on_connect`` returns, then connected until it ends; it never reconnects.

    The type parameter is that of ``data``, for example ``Socket[User | None]``.
    """

    __slots__ = (
        "_calls",
        "_connection",
        "_early",
        "_holds_admission",
        "_last_call",
        "_session",
        "connected",
        "data",
        "id",
        "namespace",
        "pid",
        "rooms",
    )

    def __init__(
        self, socket_id: str, namespace: SocketNamespace, session: EngineSession, connection: SocketConnection
    ) -> None:
        self.id = socket_id
        """Not secret: it may be sent to other clients."""
        self.namespace = namespace
        """The ``Namespace`` that the client connected to."""
        self.pid: str | None = None
        """Set in ``on_connect``: the official client presents it in its next CONNECT, and sets ``recovered`` if the
        response then contains the same one."""
        self.connected = False
        self.data: DataT = cast("Any", None)
        """For the program's own use; None until it is set."""
        self.rooms: set[str] = set()
        """Names of its rooms; changed by ``join`` and ``leave``."""
        self._session = session
        self._connection = connection
        self._holds_admission = False
        # Set while connecting: frames to send after the response to CONNECT.
        self._early: list[bytes] | None = []
        self._last_call = 0
        # Calls that wait for the client's ack; created with the first.
        self._calls: dict[int, asyncio.Future[list[object] | None]] | None = None

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"

    @property
    def handshake(self) -> Handshake:
        """Handshake of the session."""
        return self._session.handshake

    @property
    def is_admitted(self) -> bool:
        """True if the socket is connected and its admission is not held."""
        return self.connected and not self._holds_admission

    def hold_admission(self) -> None:
        """Require ``admit`` before the authentication deadline; called in ``on_connect``."""
        self._holds_admission = True

    def admit(self) -> None:
        """Admit the socket: its client is authenticated."""
        self._holds_admission = False
        if self.connected:
            self._session.admit()

    def join(self, room: str) -> None:
        """Join a room; ignored once the socket has ended."""
        if self.connected or self._early is not None:
            self.rooms.add(room)
            self.namespace.adapter.add(room, self)

    def leave(self, room: str) -> None:
        """Leave a room."""
        if room in self.rooms:
            self.rooms.discard(room)
            self.namespace.adapter.remove(room, self)

    def emit(self, name: str, *args: object) -> None:
        """Send an event; dropped once the socket has ended.

        Raises:
            TypeError: an argument cannot be encoded as JSON.
        """
        self.deliver(self.namespace.codec.event(name, args))

    async def call(self, name: str, *args: object, timeout_s: float = 10.0) -> list[object]:
        """Send an event and return the values of the client's ack; also works in a handler of the same socket.

        Up to 1 MiB that the client sent before the ack is read ahead to reach it.

        Raises:
            AckTimeout: no ack in time.
            SocketDisconnected: the socket is not connected, or ended before the ack.
        """
        if not self.connected:
            raise SocketDisconnected(name)
        self._last_call += 1
        ack_id = self._last_call
        future: asyncio.Future[list[object] | None] = asyncio.get_running_loop().create_future()
        if self._calls is None:
            self._calls = {}
        self._calls[ack_id] = future
        self._connection.begin_call()
        try:
            self.deliver(self.namespace.codec.event(name, args, ack_id))
            async with asyncio.timeout(timeout_s):
                values = await future
        except TimeoutError:
            raise AckTimeout(name) from None
        finally:
            self._calls.pop(ack_id, None)
            self._connection.end_call()
        if values is None:
            raise SocketDisconnected(name)
        return values

    def disconnect(self, *, close: bool = True) -> None:
        """Send DISCONNECT, after which the client does not reconnect automatically; then close the transport.

        Without ``close`` the transport stays open for the client's other sockets; if none of them is admitted, it is
        closed at the authentication deadline.
        """
        self._connection.disconnect(self, close=close)

    def close_transport(self, code: int = CloseCode.RESTART) -> None:
        """Close the transport without DISCONNECT: the client reconnects automatically."""
        self._session.close(DisconnectReason.FORCED_CLOSE, code)

    def allow_burst(self, size: int) -> None:
        """Raise the limit of the write buffer by ``size`` until it is empty: the client requested these bytes."""
        self._session.transport.add_allowance(size)

    def deliver(self, chunk: bytes) -> None:
        """Send encoded frames."""
        if self.connected:
            self._session.transport.write(chunk)
        elif self._early is not None:
            self._early.append(chunk)

    def send_ack(self, ack_id: int, values: tuple[object, ...]) -> None:
        """Send the ack of a received event; called by the engine."""
        if not self.connected:
            return
        chunk = self.namespace.codec.ack(ack_id, values)
        transport = self._session.transport
        if len(chunk) > _LARGE_ACK_BYTES:
            transport.add_allowance(len(chunk))
        transport.write(chunk)

    def complete_connect(self) -> None:
        """Become connected and send early frames; called by the engine after the response to CONNECT."""
        early, self._early = self._early or (), None
        self.connected = True
        for chunk in early:
            self.deliver(chunk)
        if not self._holds_admission:
            self._session.admit()

    def resolve_ack(self, ack_id: int, raw_json: str, buffers: tuple[bytes, ...]) -> None:
        """Complete the call of a received ack; called by the engine. An unknown or repeated id is ignored.

        Raises:
            PacketError: the values are malformed.
        """
        values = self.namespace.codec.decode_values(split_ack(raw_json), buffers)
        future = None if self._calls is None else self._calls.get(ack_id)
        if future is not None and not future.done():
            future.set_result(values)

    def end(self) -> None:
        """Leave all rooms, whose names stay in ``rooms``, and fail all calls; called by the engine."""
        self.connected = False
        self._early = None
        for room in self.rooms:
            self.namespace.adapter.remove(room, self)
        for future in (self._calls or {}).values():
            if not future.done():
                future.set_result(None)
