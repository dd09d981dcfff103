"""Socket.IO v5 packets: decoding keeps the JSON raw, encoding returns the UTF-8 payload of an Engine.IO message.

Source: the Socket.IO protocol, revision 5, "Packet encoding".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from chatws.wire.errors import PacketError, ViolationKind

MAIN_NAMESPACE = "/"
MAX_ACK_ID = 2**53 - 1
MAX_NAMESPACE_CHARS = 128
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Event names that must not be sent: both ends emit them locally."""


class SocketPacketType(IntEnum):
    """First digit of a packet."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class SocketPacket(msgspec.Struct, frozen=True, gc=False):
    """One Socket.IO packet; ``raw_json`` is its payload as received, or empty."""

    type: SocketPacketType
    namespace: str = MAIN_NAMESPACE
    ack_id: int | None = None
    attachments: int = 0
    raw_json: str = ""


_EVENT = SocketPacketType.EVENT
_PLAIN_TYPES = {str(kind.value): kind for kind in (SocketPacketType.EVENT, SocketPacketType.ACK)}
_TYPES: dict[str, SocketPacketType] = {str(member.value): member for member in SocketPacketType}
_BINARY_TYPES = frozenset({SocketPacketType.BINARY_EVENT, SocketPacketType.BINARY_ACK})
_ARRAY_TYPES = frozenset(
    {SocketPacketType.EVENT, SocketPacketType.ACK, SocketPacketType.BINARY_EVENT, SocketPacketType.BINARY_ACK}
)
_OBJECT_TYPES = frozenset({SocketPacketType.CONNECT, SocketPacketType.CONNECT_ERROR})
_HEAD = re.compile(r"(?:([0-9]{1,10})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{1,16})?")
_JSON_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeError)

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_name = msgspec.json.Decoder(str).decode
_encode_json = msgspec.json.Encoder().encode


def decode(text: str, *, at: int = 0, max_attachments: int = 0) -> SocketPacket:
    """Decode the packet that begins at index ``at`` of ``text``; ``max_attachments`` 0 refuses binary packets.

    The JSON payload of an event or ack is not decoded, see ``split_event`` and ``split_ack``.

    Raises:
        PacketError: the packet violates the protocol.
    """
    digit = text[at : at + 1]
    if digit in _PLAIN_TYPES:
        packet = _decode_plain(text, at + 1, _PLAIN_TYPES[digit])
        if packet is not None:
            return packet
    kind = _TYPES.get(digit)
    if kind is None:
        raise PacketError(ViolationKind.MALFORMED, "unknown Socket.IO packet type")
    head = _HEAD.match(text, at + 1)
    if head is None:
        raise PacketError(ViolationKind.MALFORMED, "unreadable packet head")
    attachments, namespace, ack_id = head.groups()
    packet = SocketPacket(
        kind,
        MAIN_NAMESPACE if namespace is None else namespace,
        None if ack_id is None else int(ack_id),
        _count_attachments(kind, attachments, max_attachments),
        text[head.end() :],
    )
    _check(packet)
    return packet


def split_event(raw_json: str) -> tuple[str, list[msgspec.Raw]]:
    """Split an event's payload into its name and its raw arguments, whose syntax is checked.

    Raises:
        PacketError: the payload is not a JSON array that begins with a string, or the name is reserved.
    """
    try:
        args = _decode_array(raw_json)
        name = _decode_name(args.pop(0))
    except _JSON_ERRORS:
        raise PacketError(ViolationKind.MALFORMED, "event payload is not an array beginning with a name") from None
    except IndexError:
        raise PacketError(ViolationKind.MALFORMED, "event without a name") from None
    if name in RESERVED_EVENTS:
        raise PacketError(ViolationKind.RESERVED_NAME, "event name is reserved")
    return name, args


def split_ack(raw_json: str) -> list[msgspec.Raw]:
    """Split an ack's payload into its raw values, whose syntax is checked.

    Raises:
        PacketError: the payload is not a JSON array.
    """
    try:
        return _decode_array(raw_json)
    except _JSON_ERRORS:
        raise PacketError(ViolationKind.MALFORMED, "ack payload is not an array") from None


def parse_object(raw_json: str) -> msgspec.Raw | None:
    """Return the raw payload of CONNECT or CONNECT_ERROR, or None if it is empty.

    Raises:
        PacketError: the payload is not a JSON object.
    """
    if not raw_json:
        return None
    if raw_json[0] != "{":
        raise PacketError(ViolationKind.MALFORMED, "payload is not an object")
    try:
        return _decode_raw(raw_json)
    except _JSON_ERRORS:
        raise PacketError(ViolationKind.MALFORMED, "payload is not JSON") from None


def encode_connect(namespace: str = MAIN_NAMESPACE, payload: object = None) -> bytes:
    """Encode CONNECT; a client's payload is its credentials, a server's is ``{"sid": id, "pid"?: id}``."""
    return _encode(SocketPacketType.CONNECT, namespace, payload=payload)


def encode_disconnect(namespace: str = MAIN_NAMESPACE) -> bytes:
    """Encode DISCONNECT."""
    return _encode(SocketPacketType.DISCONNECT, namespace)


def encode_connect_error(message: str, details: object = None, namespace: str = MAIN_NAMESPACE) -> bytes:
    """Encode CONNECT_ERROR ``{message, data?}``."""
    payload = {"message": message} if details is None else {"message": message, "data": details}
    return _encode(SocketPacketType.CONNECT_ERROR, namespace, payload=payload)


def encode_event(
    name: str,
    args: Sequence[object] = (),
    *,
    namespace: str = MAIN_NAMESPACE,
    ack_id: int | None = None,
    attachments: int | None = None,
) -> bytes:
    """Encode an event; with ``attachments``, a binary event whose ``args`` contain the placeholders.

    Raises:
        TypeError: a value cannot be encoded as JSON.
    """
    payload = [name, *args]
    if namespace == MAIN_NAMESPACE and attachments is None:
        return (b"2" if ack_id is None else b"2%d" % ack_id) + _encode_json(payload)
    kind = SocketPacketType.EVENT if attachments is None else SocketPacketType.BINARY_EVENT
    return _encode(kind, namespace, ack_id, attachments, payload)


def encode_ack(
    ack_id: int, values: Sequence[object] = (), *, namespace: str = MAIN_NAMESPACE, attachments: int | None = None
) -> bytes:
    """Encode the ack of the event with ``ack_id``.

    Raises:
        TypeError: a value cannot be encoded as JSON.
    """
    if namespace == MAIN_NAMESPACE and attachments is None:
        return b"3%d" % ack_id + _encode_json(values)
    kind = SocketPacketType.ACK if attachments is None else SocketPacketType.BINARY_ACK
    return _encode(kind, namespace, ack_id, attachments, list(values))


def _encode(
    kind: SocketPacketType,
    namespace: str,
    ack_id: int | None = None,
    attachments: int | None = None,
    payload: object = None,
) -> bytes:
    head = str(kind.value)
    if attachments is not None:
        head += f"{attachments}-"
    if namespace != MAIN_NAMESPACE:
        head += f"{namespace},"
    if ack_id is not None:
        head += str(ack_id)
    return head.encode() if payload is None else head.encode() + _encode_json(payload)


def _decode_plain(text: str, at: int, kind: SocketPacketType) -> SocketPacket | None:
    """Decode an event or ack of the main namespace, as nearly all traffic is; return None for every other packet."""
    bracket = text.find("[", at, at + 17)
    if bracket == at:
        return SocketPacket(kind, MAIN_NAMESPACE, None, 0, text[at:]) if kind is _EVENT else None
    if bracket < 0:
        return None
    digits = text[at:bracket]
    if not (digits.isascii() and digits.isdigit()) or int(digits) > MAX_ACK_ID:
        return None
    return SocketPacket(kind, MAIN_NAMESPACE, int(digits), 0, text[bracket:])


def _count_attachments(kind: SocketPacketType, digits: str | None, limit: int) -> int:
    if kind not in _BINARY_TYPES:
        if digits is not None:
            raise PacketError(ViolationKind.MALFORMED, "attachments on a packet that has none")
        return 0
    if digits is None:
        raise PacketError(ViolationKind.MALFORMED, "binary packet without a count of attachments")
    if limit == 0 or int(digits) > limit:
        raise PacketError(ViolationKind.BINARY, "binary is not allowed, or too many attachments")
    return int(digits)


def _check(packet: SocketPacket) -> None:
    first = packet.raw_json[:1]
    if packet.ack_id is not None and packet.ack_id > MAX_ACK_ID:
        raise PacketError(ViolationKind.MALFORMED, "ack id is too large")
    if len(packet.namespace) > MAX_NAMESPACE_CHARS:
        raise PacketError(ViolationKind.MALFORMED, "namespace is too long")
    if packet.type in _ARRAY_TYPES:
        needs_id = packet.type in (SocketPacketType.ACK, SocketPacketType.BINARY_ACK)
        if first != "[" or (needs_id and packet.ack_id is None):
            raise PacketError(ViolationKind.MALFORMED, "payload is not an array, or ack without id")
    elif packet.ack_id is not None:
        raise PacketError(ViolationKind.MALFORMED, "ack id on a packet that has none")
    elif packet.type in _OBJECT_TYPES:
        parse_object(packet.raw_json)
    elif first:
        raise PacketError(ViolationKind.MALFORMED, "DISCONNECT with a payload")
