"""Socket.IO connection: the packets of one session, routed to its sockets."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from functools import partial

from chatws.engine.admission import AdmissionRefused
from chatws.engine.codec import message_frames
from chatws.engine.errors import ConnectRefused, is_cancelled
from chatws.engine.events import DisconnectReason, IncomingEvent
from chatws.engine.namespace import Namespace
from chatws.engine.session import EngineSession
from chatws.engine.socket import Socket
from chatws.engine.transport import Work
from chatws.wire import socketio
from chatws.wire.errors import CloseCode, PacketError, ViolationKind
from chatws.wire.json_limits import check_json_limits
from chatws.wire.socketio import SocketPacketType

_CLOSE_DELAY_S = 0.5
"""Time from the last packet to the close of the transport.

socket.io-client handles CONNECT_ERROR and DISCONNECT one event-loop iteration after Engine.IO's CLOSE in the same poll:
it would treat the close as a lost connection and reconnect.
"""


class _PartialPacket:
    """Binary packet with missing attachments."""

    __slots__ = ("buffers", "packet", "size", "timer")

    def __init__(self, packet: socketio.SocketPacket, timer: asyncio.TimerHandle) -> None:
        self.packet = packet
        self.timer = timer
        self.buffers: list[bytes] = []
        self.size = 0


class SocketIOConnection:
    """Packet receiver of a session that uses Socket.IO."""

    __slots__ = (
        "_calls",
        "_ended",
        "_is_closing",
        "_max_attachments",
        "_namespaces",
        "_partial_packet",
        "session",
        "sockets",
    )

    def __init__(self, session: EngineSession, namespaces: Mapping[str, Namespace]) -> None:
        options = session.context.options
        self.session = session
        self.sockets: dict[str, Socket] = {}
        """Connecting and connected sockets by namespace."""
        self._namespaces = namespaces
        self._max_attachments = options.max_attachments if options.allow_binary else 0
        # Number of calls that wait for the client's ack.
        self._calls = 0
        # Set while attachments are missing.
        self._partial_packet: _PartialPacket | None = None
        # Namespaces whose sockets ended: packets sent by the client before it received that are no protocol error.
        self._ended: frozenset[str] = frozenset()
        # Set when the transport is about to be closed: further packets are dropped.
        self._is_closing = False

    @property
    def awaits_ack(self) -> bool:
        """True while a call waits for the client's ack."""
        return self._calls > 0

    def begin_call(self) -> None:
        """Count a call that waits for an ack, until ``end_call``."""
        self._calls += 1
        self.session.transport.update_read_limit()

    def end_call(self) -> None:
        """Count down a call that no longer waits for an ack."""
        self._calls -= 1

    def accept_text(self, message: str, at: int) -> Work | None:
        """Decode one packet; see ``PacketReceiver``."""
        if self._partial_packet is not None:
            raise PacketError(ViolationKind.BINARY, "text while attachments are missing")
        options = self.session.context.options
        packet = socketio.decode(message, at=at, max_attachments=self._max_attachments)
        check_json_limits(packet.raw_json, max_depth=options.max_json_depth, max_values=options.max_json_values)
        if packet.attachments:
            loop = self.session.context.loop
            timer = loop.call_later(options.attachments_timeout_s, self._attachments_timed_out)
            self._partial_packet = _PartialPacket(packet, timer)
            return None
        return self._accept(packet, ())

    def accept_binary(self, message: bytes) -> Work | None:
        """Add one attachment to its packet; see ``PacketReceiver``."""
        partial_packet = self._partial_packet
        if partial_packet is None:
            raise PacketError(ViolationKind.BINARY, "binary that no packet announced")
        partial_packet.buffers.append(message)
        partial_packet.size += len(message)
        if partial_packet.size > self.session.context.options.max_payload_bytes:
            raise PacketError(ViolationKind.OVERSIZE, "attachments are too large together")
        if len(partial_packet.buffers) < partial_packet.packet.attachments:
            return None
        partial_packet.timer.cancel()
        self._partial_packet = None
        return self._accept(partial_packet.packet, tuple(partial_packet.buffers))

    def deadline_passed(self) -> None:
        """Disconnect the unadmitted sockets gracefully, or close the session if no socket is connected."""
        unadmitted = [socket for socket in self.sockets.values() if socket.connected]
        if not unadmitted:
            self.session.close(DisconnectReason.NOT_ADMITTED, CloseCode.POLICY)
            return
        self._close_soon(DisconnectReason.NOT_ADMITTED)
        for socket in unadmitted:
            self._namespaces[socket.namespace.name].unadmitted(socket)
            self.disconnect(socket, close=False)

    def closed(self, reason: DisconnectReason) -> None:
        """End every socket."""
        if self._partial_packet is not None:
            self._partial_packet.timer.cancel()
            self._partial_packet = None
        for socket in list(self.sockets.values()):
            self._end(socket, reason)

    def disconnect(self, socket: Socket, *, close: bool) -> None:
        """Send DISCONNECT and end the socket; with ``close``, close the transport soon after."""
        if self.sockets.get(socket.namespace.name) is not socket:
            return
        self.session.send(message_frames(socketio.encode_disconnect(socket.namespace.name)))
        self._end(socket, DisconnectReason.SERVER_DISCONNECT)
        if close:
            self._close_soon(DisconnectReason.SERVER_DISCONNECT)
        self._restart_auth_deadline_if_unadmitted()

    def _accept(self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]) -> Work | None:
        if self._is_closing:
            return None
        kind = packet.type
        if kind is SocketPacketType.EVENT or kind is SocketPacketType.BINARY_EVENT:
            return partial(self._handle_event, packet, buffers)
        if kind in (SocketPacketType.ACK, SocketPacketType.BINARY_ACK):
            self._handle_ack(packet, buffers)
            return None
        if kind is SocketPacketType.CONNECT:
            return partial(self._handle_connect, packet)
        if kind is SocketPacketType.DISCONNECT:
            return partial(self._handle_disconnect, packet)
        raise PacketError(ViolationKind.ORDER, "a client does not send CONNECT_ERROR")

    def _handle_event(
        self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]
    ) -> Coroutine[None, None, None] | None:
        socket = self._find_socket(packet.namespace)
        if socket is None or self._is_closing:
            return None
        event = IncomingEvent(socket, packet.raw_json, packet.ack_id, buffers, self.session.arrived_at)
        return self._namespaces[packet.namespace].dispatch(socket, event)

    def _handle_ack(self, packet: socketio.SocketPacket, buffers: tuple[bytes, ...]) -> None:
        socket = self._find_socket(packet.namespace)
        if socket is not None and packet.ack_id is not None:
            socket.resolve_ack(packet.ack_id, packet.raw_json, buffers)

    async def _handle_connect(self, packet: socketio.SocketPacket) -> None:
        name = packet.namespace
        if self._is_closing:
            return
        if name in self.sockets:
            raise PacketError(ViolationKind.ORDER, "second CONNECT to a namespace")
        namespace = self._namespaces.get(name)
        if namespace is None:
            self._send_connect_error(name, ConnectRefused("Invalid namespace"))
            return
        if name in self._ended and not self._admit_reconnect(name):
            return
        socket: Socket = Socket(secrets.token_urlsafe(15), namespace, self.session, self)
        self.sockets[name] = socket
        context = self.session.context
        context.handler_started()
        try:
            await namespace.connect(socket, socketio.parse_object(packet.raw_json))
        except ConnectRefused as refusal:
            self._refuse(socket, refusal)
        except (Exception, asyncio.CancelledError) as error:  # the client gets a refusal
            if is_cancelled(error):
                raise
            context.stats.handler_errors += 1
            context.log.write(logging.ERROR, "engine.handler_failed", "connect", problem=error, kind="connect")
            self._refuse(socket, ConnectRefused("Internal error", {"code": "internal"}))
        else:
            self._complete_connect(socket, namespace)
        finally:
            context.handler_finished()

    def _admit_reconnect(self, name: str) -> bool:
        try:
            self.session.context.admission.count_reconnect(self.session.handshake.address)
        except AdmissionRefused as refused:
            self.session.context.stats.refused_total[refused.reason] += 1
            self._send_connect_error(name, ConnectRefused("Service unavailable", {"code": "rate_limited"}))
            return False
        return True

    async def _handle_disconnect(self, packet: socketio.SocketPacket) -> None:
        socket = self._find_socket(packet.namespace)
        if socket is None:
            return
        self._end(socket, DisconnectReason.CLIENT_DISCONNECT)
        self._restart_auth_deadline_if_unadmitted()

    def _restart_auth_deadline_if_unadmitted(self) -> None:
        if not self._is_closing and not any(socket.is_admitted for socket in self.sockets.values()):
            self.session.restart_auth_deadline()

    def _complete_connect(self, socket: Socket, namespace: Namespace) -> None:
        if self.sockets.get(namespace.name) is not socket:
            # The session ended while the handler ran; the disconnect handler undoes its set-up.
            namespace.disconnected(socket, DisconnectReason.TRANSPORT_CLOSE)
            return
        self._ended -= {namespace.name}
        namespace.sockets[socket.id] = socket
        accepted = {"sid": socket.id} if socket.pid is None else {"sid": socket.id, "pid": socket.pid}
        self.session.send(message_frames(socketio.encode_connect(namespace.name, accepted)))
        socket.complete_connect()

    def _end(self, socket: Socket, reason: DisconnectReason) -> None:
        namespace = self._namespaces[socket.namespace.name]
        was_connected = socket.connected
        self._ended |= {namespace.name}
        self.sockets.pop(namespace.name, None)
        namespace.sockets.pop(socket.id, None)
        socket.end()
        if was_connected:
            namespace.disconnected(socket, reason)
        socket.rooms.clear()

    def _refuse(self, socket: Socket, refusal: ConnectRefused) -> None:
        socket.end()
        socket.rooms.clear()
        name = socket.namespace.name
        if self.sockets.get(name) is socket:
            del self.sockets[name]
            self._ended |= {name}
            self._send_connect_error(name, refusal)
            if not self.sockets:
                self._close_soon(DisconnectReason.REFUSED)

    def _send_connect_error(self, namespace: str, refusal: ConnectRefused) -> None:
        packet = socketio.encode_connect_error(refusal.message, refusal.details, namespace)
        self.session.send(message_frames(packet))

    def _find_socket(self, namespace: str) -> Socket | None:
        """Return the socket of a namespace; None if it has ended.

        Raises:
            PacketError: the client never connected to the namespace.
        """
        socket = self.sockets.get(namespace)
        if socket is None and namespace not in self._ended:
            raise PacketError(ViolationKind.ORDER, "packet for a namespace that is not connected")
        return socket

    def _close_soon(self, reason: DisconnectReason) -> None:
        self._is_closing = True
        self.session.context.loop.call_later(_CLOSE_DELAY_S, self.session.close, reason)

    def _attachments_timed_out(self) -> None:
        self.session.fail(PacketError(ViolationKind.BINARY, "attachments did not arrive in time"))
