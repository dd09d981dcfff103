"""Engine.IO v4 packets: one per WebSocket message, or several in a polling payload.

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
    """Handshake data of the server's OPEN packet; times in milliseconds, ``max_payload`` in bytes."""

    sid: str
    upgrades: list[str]
    ping_interval: int
    ping_timeout: int
    max_payload: int


def decode_packet(text: str) -> EnginePacket:
    """Decode one packet from a text frame.

    Raises:
        PacketError: ``text`` is empty or its type is unknown.
    """
    kind = _TYPES.get(text[:1])
    if kind is None:
        raise PacketError(ViolationKind.MALFORMED, "unknown Engine.IO packet type")
    return EnginePacket(kind, text[1:])


def encode_packet(packet: EnginePacket) -> str | bytes:
    """Encode one packet as a WebSocket message: text, or the plain bytes of a binary message."""
    if isinstance(packet.payload, bytes):
        return packet.payload
    return packet.type.value + packet.payload


def split_payload(body: bytes) -> list[str | bytes]:
    """Split the body of a polling request or response into messages, as a WebSocket would carry them.

    Raises:
        PacketError: the body is not UTF-8, or a binary packet is not base64.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise PacketError(ViolationKind.ENCODING, "polling payload is not UTF-8") from None
    return [_decode_part(part) for part in text.split(SEPARATOR)]


def decode_payload(body: bytes) -> list[EnginePacket]:
    """Decode the body of a polling request or response.

    Raises:
        PacketError: the body is empty or not UTF-8, or any packet in it is malformed.
    """
    return [
        decode_packet(part) if isinstance(part, str) else EnginePacket(EnginePacketType.MESSAGE, part)
        for part in split_payload(body)
    ]


def encode_payload(packets: Iterable[EnginePacket]) -> bytes:
    """Encode packets as the body of a polling request or response."""
    return join_payload(encode_packet(packet) for packet in packets)


def join_payload(messages: Iterable[str | bytes]) -> bytes:
    """Join messages, as a WebSocket would carry them, into the body of a polling request or response."""
    return _SEPARATOR_BYTES.join(map(_encode_part, messages))


def decode_open(packet: EnginePacket) -> OpenPayload:
    """Decode the payload of the server's OPEN packet.

    Raises:
        PacketError: ``packet`` is not OPEN, or a field is missing or has the wrong type.
    """
    if packet.type is not EnginePacketType.OPEN:
        raise PacketError(ViolationKind.ORDER, "the first packet is not OPEN")
    try:
        return msgspec.json.decode(packet.payload, type=OpenPayload)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise PacketError(ViolationKind.MALFORMED, "OPEN without a valid handshake") from None


def _decode_part(part: str) -> str | bytes:
    if part[:1] != BINARY_PREFIX:
        return part
    try:
        return base64.b64decode(part[1:], validate=True)
    except (binascii.Error, ValueError):
        raise PacketError(ViolationKind.MALFORMED, "binary packet is not base64") from None


def _encode_part(message: str | bytes) -> bytes:
    if isinstance(message, bytes):
        return _BINARY_PREFIX_BYTES + base64.b64encode(message)
    return message.encode()
