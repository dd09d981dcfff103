"""Socket.IO over one session: packets to sockets, connects and disconnects, attachments put together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from chatws.engine.admission import AdmissionRefused
from chatws.engine.codec import message_frames
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.errors import ConnectRefused, is_cancelled
from chatws.engine.events import IncomingEvent
from chatws.engine.socket import Socket
from chatws.engine.transport import Work
from chatws.wire import socketio
from chatws.wire.errors import CloseCode, PacketError, ViolationKind
from chatws.wire.json_limits import check_shape
from chatws.wire.socketio import SocketPacketType

if TYPE_CHECKING:
    from chatws.engine.namespace import Namespace
    from chatws.engine.session import EngineSession

_GOODBYE_S = 0.5
"""From the last packet to the end of the transport.

npm's client reads CONNECT_ERROR and DISCONNECT one turn later than Engine.IO's CLOSE in the same poll; it would take
the end for an accident and come back.
"""

_LARGE_ACK_BYTES = 16 * 1024
"""Such an ack does not count against the outbox, or a page of history would cut off the client that asked for it."""


class _Assembly:
    """A binary packet whose attachments are not all there."""

    __slots__ = ("buffers", "packet", "size", "timer")

    def __init__(self, packet: socketio.SocketPacket, timer: asyncio.TimerHandle) -> None:
        self.packet = packet
        self.timer = timer
        self.buffers: list[bytes] = []
        self.size = 0


class SocketIOConnection:
    """The receiver of a session that speaks Socket.IO."""

    __slots__ = (
        "_assembly",
        "_calls",
        "_departed",
        "_is_ending",
        "_max_attachments",
        "_namespaces",
        "session",
        "sockets",
    )

    def __init__(self, session: EngineSession, namespaces: Mapping[str, Namespace]) -> None:
        options = session.core.options
        self.session = session
        self.sockets: dict[str, Socket] = {}
        """Connecting and connected sockets by namespace."""
        self._namespaces = namespaces
        self._max_attachments = options.max_attachments if options.allow_binary else 0
        # Calls that wait for the client's ack.
        self._calls = 0
        # Set while attachments are missing.
        self._assembly: _Assembly | None = None
        # Namespaces whose sockets ended: what the client sent before it knew is no breach of the protocol.
        self._departed: frozenset[str] = frozenset()
        # Set when the transport is about to be closed: nothing more is taken.
        self._is_ending = False

    @property
    def awaits_ack(self) -> bool:
        """True while a call waits for the client's answer."""
        return self._calls > 0

    def call_begins(self) -> None:
        """A socket waits for an ack, until ``call_ends``."""
        self._calls += 1
        self.session.link.read_on()

    def call_ends(self) -> None:
        """It waits no more."""
        self._calls -= 1

    def accept_text(self, message: str, at: int) -> Work | None:
        """Read one packet; see ``Receiver``."""
        if self._assembly is not None:
            raise PacketError(ViolationKind.BINARY, "text while attachments are missing")
        options = self.session.core.options
        packet = socketio.decode(message, at=at, max_attachments=self._max_attachments)
        check_shape(packet.raw_json, max_depth=options.max_json_depth, max_values=options.max_json_values)
        if packet.attachments:
            timer = self.session.core.loop.call_later(options.attachments_timeout_s, self._attachments_late)
            self._assembly = _Assembly(packet, timer)
            return None
        return self._accept(packet, ())

    def accept_binary(self, message: bytes) -> Work | None:
        """Take one attachment; see ``Receiver``."""
        assembly = self._assembly
        if assembly is None:
            raise PacketError(ViolationKind.BINARY, "binary that no packet announced")
        assembly.buffers.append(message)
        assembly.size += len(message)
        if assembly.size > self.session.core.options.max_payload_bytes:
            raise PacketError(ViolationKind.OVERSIZE, "attachments are too large together")
        if len(assembly.buffers) < assembly.packet.attachments:
            return None
        assembly.timer.cancel()
        self._assembly = None
        return self._accept(assembly.packet, tuple(assembly.buffers))

    def deadline_passed(self) -> None:
        """Say goodbye to sockets that were held, or end a session that never connected."""
        held = [socket for socket in self.sockets.values() if socket.connected]
        if not held:
            self.session.close(DisconnectReason.NOT_ADMITTED, CloseCode.POLICY)
            return
        self._end_soon(DisconnectReason.NOT_ADMITTED)
        for socket in held:
            socket.namespace.unadmitted(socket)
            self.disconnect(socket, close=False)

    def closed(self, reason: DisconnectReason) -> None:
        """Drop every socket."""
        if self._assembly is not None:
            self._assembly.timer.cancel()
            self._assembly = None
        for socket in list(self.sockets.values()):
            self._drop(socket, reason)

    def disconnect(self, socket: Socket, *, close: bool) -> None:
        """Send DISCONNECT and drop the socket; with ``close`` the transport ends soon after."""
        if self.sockets.get(socket.namespace.name) is not socket:
            return
        self.session.send(message_frames(socketio.encode_disconnect(socket.namespace.name)))
        self._drop(socket, DisconnectReason.SERVER_DISCONNECT)
        if close:
            self._end_soon(DisconnectReason.SERVER_DISCONNECT)
        self._dismiss_if_nobody()

    def _accept(self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]) -> Work | None:
        if self._is_ending:
            return None
        kind = packet.type
        if kind in (SocketPacketType.EVENT, SocketPacketType.BINARY_EVENT):
            return partial(self._event, packet, buffers)
        if kind in (SocketPacketType.ACK, SocketPacketType.BINARY_ACK):
            self._take_ack(packet, buffers)
            return None
        if kind is SocketPacketType.CONNECT:
            return partial(self._connect, packet)
        if kind is SocketPacketType.DISCONNECT:
            return partial(self._client_disconnect, packet)
        raise PacketError(ViolationKind.ORDER, "a client does not send CONNECT_ERROR")

    async def _event(self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]) -> None:
        arrived_at = self.session.arrived_at  # before anything else is awaited, or it could be another's
        socket = self._find(packet.namespace)
        if socket is None or self._is_ending:
            return
        name, args = socketio.split_event(packet.raw_json)
        ack_id = packet.ack_id
        send_ack = None if ack_id is None else partial(self._send_ack, socket, ack_id)
        await socket.namespace.dispatch(socket, IncomingEvent(name, args, buffers, send_ack, arrived_at))

    def _take_ack(self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]) -> None:
        socket = self._find(packet.namespace)
        if socket is not None and packet.ack_id is not None:
            socket.take_ack(packet.ack_id, packet.raw_json, buffers)

    async def _connect(self, packet: socketio.SocketPacket) -> None:
        name = packet.namespace
        if self._is_ending:
            return
        if name in self.sockets:
            raise PacketError(ViolationKind.ORDER, "second CONNECT to a namespace")
        namespace = self._namespaces.get(name)
        if namespace is None:
            self._refuse(name, ConnectRefused("Invalid namespace"))
            return
        if name in self._departed and not self._may_come_again(name):
            return
        socket = Socket(secrets.token_urlsafe(15), namespace, self)
        self.sockets[name] = socket
        self.session.core.enter_handler()
        try:
            await namespace.connect(socket, socketio.parse_object(packet.raw_json))
        except ConnectRefused as refusal:
            self._forget(socket, refusal)
        except (Exception, asyncio.CancelledError) as error:  # the program's fault is answered as a refusal
            if is_cancelled(error):
                raise
            self.session.core.stats.handler_errors += 1
            self.session.core.faults.error("engine.handler_failed", "connect", error)
            self._forget(socket, ConnectRefused("Internal error", {"code": "internal"}))
        else:
            self._connected(socket)
        finally:
            self.session.core.leave_handler()

    def _may_come_again(self, name: str) -> bool:
        try:
            self.session.core.limits.again(self.session.handshake.address)
        except AdmissionRefused as refused:
            self.session.core.stats.refused_total[refused.reason] += 1
            self._refuse(name, ConnectRefused("Service unavailable", {"code": "rate_limited"}))
            return False
        return True

    async def _client_disconnect(self, packet: socketio.SocketPacket) -> None:
        socket = self._find(packet.namespace)
        if socket is None:
            return
        self._drop(socket, DisconnectReason.CLIENT_DISCONNECT)
        self._dismiss_if_nobody()

    def _dismiss_if_nobody(self) -> None:
        if not self._is_ending and not any(socket.is_admitted for socket in self.sockets.values()):
            self.session.dismiss()

    def _connected(self, socket: Socket) -> None:
        namespace = socket.namespace
        if self.sockets.get(namespace.name) is not socket:
            # The session ended while the program decided; what it set up is undone by its own handler.
            namespace.disconnected(socket, DisconnectReason.TRANSPORT_CLOSE)
            return
        self._departed -= {namespace.name}
        namespace.sockets[socket.id] = socket
        self.session.send(message_frames(socketio.encode_connect(namespace.name, {"sid": socket.id})))
        socket.connect_answered()

    def _drop(self, socket: Socket, reason: DisconnectReason) -> None:
        namespace = socket.namespace
        was_connected = socket.connected
        self._departed |= {namespace.name}
        self.sockets.pop(namespace.name, None)
        namespace.sockets.pop(socket.id, None)
        socket.end()
        if was_connected:
            namespace.disconnected(socket, reason)
        socket.rooms.clear()

    def _forget(self, socket: Socket, refusal: ConnectRefused) -> None:
        socket.end()
        socket.rooms.clear()
        if self.sockets.get(socket.namespace.name) is socket:
            del self.sockets[socket.namespace.name]
            self._departed |= {socket.namespace.name}
            self._refuse(socket.namespace.name, refusal)
            if not self.sockets:
                self._end_soon(DisconnectReason.REFUSED)

    def _refuse(self, namespace: str, refusal: ConnectRefused) -> None:
        packet = socketio.encode_connect_error(refusal.message, refusal.details, namespace)
        self.session.send(message_frames(packet))

    def _find(self, namespace: str) -> Socket | None:
        """Give the socket; None when it has ended.

        Raises:
            PacketError: the client never connected there.
        """
        socket = self.sockets.get(namespace)
        if socket is None and namespace not in self._departed:
            raise PacketError(ViolationKind.ORDER, "packet for a namespace that is not connected")
        return socket

    def _send_ack(self, socket: Socket, ack_id: int, values: tuple[object, ...]) -> None:
        if not socket.connected:
            return
        chunk = socket.namespace.codec.ack(ack_id, values)
        if len(chunk) > _LARGE_ACK_BYTES:
            self.session.link.grant(len(chunk))
        self.session.send(chunk)

    def _end_soon(self, reason: DisconnectReason) -> None:
        self._is_ending = True
        self.session.core.loop.call_later(_GOODBYE_S, self.session.close, reason)

    def _attachments_late(self) -> None:
        self.session.fail(PacketError(ViolationKind.BINARY, "attachments did not come in time"))
