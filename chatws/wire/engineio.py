"""Engine.IO v4 packets, alone (a WebSocket message each) and many in a polling payload.

Source: the Engine.IO protocol, revision 4, "Packet encoding".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from chatws.wire.errors import PacketError, ViolationKind

SEPARATOR = "\x1e"
PROBE = "probe"
BINARY_PREFIX = "b"
_SEPARATOR_BYTES = SEPARATOR.encode()
_BINARY_PREFIX_BYTES = BINARY_PREFIX.encode()


class EnginePacketType(StrEnum):
    """First character of a packet."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


_TYPES: dict[str, EnginePacketType] = {member.value: member for member in EnginePacketType}


class EnginePacket(msgspec.Struct, frozen=True, gc=False):
    """One Engine.IO packet; ``payload`` is bytes for a binary message only."""

    type: EnginePacketType
    payload: str | bytes = ""


class OpenPayload(msgspec.Struct, frozen=True, rename="camel"):
    """What the server tells in its OPEN packet; times in milliseconds, ``max_payload`` in bytes."""

    sid: str
    upgrades: list[str]
    ping_interval: int
    ping_timeout: int
    max_payload: int


def decode_packet(text: str) -> EnginePacket:
    """Read one packet from a text frame.

    Raises:
        PacketError: it is empty or its type is unknown.
    """
    kind = _TYPES.get(text[:1])
    if kind is None:
        raise PacketError(ViolationKind.MALFORMED, "unknown Engine.IO packet type")
    return EnginePacket(kind, text[1:])


def encode_packet(packet: EnginePacket) -> str | bytes:
    """Write one packet as a WebSocket message: text, or the bare bytes of a binary message."""
    if isinstance(packet.payload, bytes):
        return packet.payload
    return packet.type.value + packet.payload


def split_payload(body: bytes) -> list[str | bytes]:
    """Cut the body of a polling request or response into what a WebSocket would have carried, message by message.

    Raises:
        PacketError: it is not UTF-8, or a binary packet is not base64.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise PacketError(ViolationKind.ENCODING, "polling payload is not UTF-8") from None
    return [_read_part(part) for part in text.split(SEPARATOR)]


def decode_payload(body: bytes) -> list[EnginePacket]:
    """Read the body of a polling request or response.

    Raises:
        PacketError: it is empty, not UTF-8, or any packet in it is not well formed; then none of it counts.
    """
    return [
        decode_packet(part) if isinstance(part, str) else EnginePacket(EnginePacketType.MESSAGE, part)
        for part in split_payload(body)
    ]


def encode_payload(packets: Iterable[EnginePacket]) -> bytes:
    """Write packets as the body of a polling request or response."""
    return join_payload(encode_packet(packet) for packet in packets)


def join_payload(messages: Iterable[str | bytes]) -> bytes:
    """Join messages, as a WebSocket would carry them, to the body of a polling request or response."""
    return _SEPARATOR_BYTES.join(map(_write_part, messages))


def decode_open(packet: EnginePacket) -> OpenPayload:
    """Read the payload of the server's OPEN packet.

    Raises:
        PacketError: it is another packet, or a field is missing or has another type.
    """
    if packet.type is not EnginePacketType.OPEN:
        raise PacketError(ViolationKind.ORDER, "the first packet is not OPEN")
    try:
        return msgspec.json.decode(packet.payload, type=OpenPayload)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise PacketError(ViolationKind.MALFORMED, "OPEN without a valid handshake") from None


def _read_part(part: str) -> str | bytes:
    if part[:1] != BINARY_PREFIX:
        return part
    try:
        return base64.b64decode(part[1:], validate=True)
    except (binascii.Error, ValueError):
        raise PacketError(ViolationKind.MALFORMED, "binary packet is not base64") from None


def _write_part(message: str | bytes) -> bytes:
    if isinstance(message, bytes):
        return _BINARY_PREFIX_BYTES + base64.b64encode(message)
    return message.encode()
