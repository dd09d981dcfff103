"""Packets of a Socket.IO client: typed events for those that it receives, bytes for those that it sends.

Sources: the Engine.IO protocol, revision 4; the Socket.IO protocol, revision 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from chatws.wire import engineio, socketio
from chatws.wire.engineio import EnginePacketType
from chatws.wire.errors import PacketError, ViolationKind, WireError
from chatws.wire.socketio import SocketPacketType

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGE: Final = EnginePacketType.MESSAGE.value.encode()
PLAIN_EVENT: Final = f"{EnginePacketType.MESSAGE.value}{SocketPacketType.EVENT.value}["
"""Prefix of an event of the main namespace without an ack id: nearly all that a server sends."""
_PLAIN_ACK: Final = f"{EnginePacketType.MESSAGE.value}{SocketPacketType.ACK.value}"
MAX_PLAIN_ACK_DIGITS: Final = 15
"""Every id of up to this many digits is below `socketio.MAX_ACK_ID`."""

PONG_PACKET: Final = EnginePacketType.PONG.value.encode()


class TransportOpened(msgspec.Struct, frozen=True):
    """Engine.IO OPEN: the client may connect to the namespace."""

    handshake: engineio.OpenPayload


class PingReceived(msgspec.Struct, frozen=True, gc=False):
    """Engine.IO PING; `SocketIOClientProtocol` queues the PONG."""


class NamespaceConnected(msgspec.Struct, frozen=True, gc=False):
    """CONNECT: the server accepted the namespace."""

    raw_json: str


class NamespaceRefused(msgspec.Struct, frozen=True, gc=False):
    """CONNECT_ERROR, with its payload as received."""

    raw_json: str


class NamespaceDisconnected(msgspec.Struct, frozen=True, gc=False):
    """DISCONNECT: the server ended the namespace."""


class EventReceived(msgspec.Struct, frozen=True, gc=False):
    """Event without a check of its payload; `socketio.split_event` reads it."""

    raw_json: str


class AckReceived(msgspec.Struct, frozen=True, gc=False):
    """Ack without a check of its payload; `socketio.split_ack` reads it."""

    ack_id: int
    raw_json: str


class TransportClosed(msgspec.Struct, frozen=True, gc=False):
    """Engine.IO CLOSE (``code`` None) or a WebSocket close frame; no event follows."""

    code: int | None = None


class ProtocolViolated(msgspec.Struct, frozen=True):
    """Protocol error of the server; no event follows, and later bytes are ignored."""

    error: WireError


PacketEvent = (
    TransportOpened
    | PingReceived
    | NamespaceConnected
    | NamespaceRefused
    | NamespaceDisconnected
    | EventReceived
    | AckReceived
    | TransportClosed
)


def read_packet(text: str, namespace: str = socketio.MAIN_NAMESPACE) -> PacketEvent | None:
    """Read one Engine.IO packet of a server; None for one that a client ignores (PONG, UPGRADE, NOOP).

    ``namespace`` is the one that the client connected to.

    Raises:
        PacketError: the packet is malformed, binary, or belongs to another namespace.
    """
    if namespace == socketio.MAIN_NAMESPACE:
        if text.startswith(PLAIN_EVENT):
            return EventReceived(text[2:])
        if (ack := read_plain_ack(text)) is not None:
            return ack
    kind = text[:1]
    if kind == EnginePacketType.MESSAGE:
        return _read_message(socketio.decode(text, at=1), namespace)
    if kind == EnginePacketType.PING:
        return PingReceived()
    if kind == EnginePacketType.OPEN:
        return TransportOpened(engineio.decode_open(engineio.decode_packet(text)))
    if kind == EnginePacketType.CLOSE:
        return TransportClosed()
    engineio.decode_packet(text)
    return None


def read_plain_ack(text: str) -> AckReceived | None:
    """Read an ack of the main namespace; None for any other packet and for one that needs `socketio.decode`."""
    if not text.startswith(_PLAIN_ACK):
        return None
    bracket = text.find("[", 2, 2 + MAX_PLAIN_ACK_DIGITS + 1)
    digits = text[2:bracket]
    if bracket < 0 or not (digits.isascii() and digits.isdigit()):
        return None
    return AckReceived(int(digits), text[bracket:])


def connect_packet(auth: object = None, namespace: str = socketio.MAIN_NAMESPACE) -> bytes:
    """Encode CONNECT with the credentials."""
    return MESSAGE + socketio.encode_connect(namespace, auth)


def event_packet(
    name: str,
    args: Sequence[object] = (),
    *,
    ack_id: int | None = None,
    namespace: str = socketio.MAIN_NAMESPACE,
) -> bytes:
    """Encode an event; ``ack_id`` requests an ack.

    Raises:
        TypeError: an argument cannot be encoded as JSON.
    """
    return MESSAGE + socketio.encode_event(name, args, ack_id=ack_id, namespace=namespace)


def disconnect_packet(namespace: str = socketio.MAIN_NAMESPACE) -> bytes:
    """Encode DISCONNECT."""
    return MESSAGE + socketio.encode_disconnect(namespace)


def _read_message(packet: socketio.SocketPacket, namespace: str) -> PacketEvent:
    if packet.namespace != namespace:
        raise PacketError(ViolationKind.ORDER, "packet of a namespace that the client did not connect to")
    match packet.type:
        case SocketPacketType.EVENT:
            return EventReceived(packet.raw_json)
        case SocketPacketType.ACK:
            assert packet.ack_id is not None  # `socketio.decode` refuses an ack without one
            return AckReceived(packet.ack_id, packet.raw_json)
        case SocketPacketType.CONNECT:
            return NamespaceConnected(packet.raw_json)
        case SocketPacketType.CONNECT_ERROR:
            return NamespaceRefused(packet.raw_json)
        case SocketPacketType.DISCONNECT:
            return NamespaceDisconnected()
        case SocketPacketType.BINARY_EVENT | SocketPacketType.BINARY_ACK:
            raise PacketError(ViolationKind.BINARY, "binary packet")
    assert_never(packet.type)
