"""Encodings of Socket.IO packets: JSON as the server sends it, MessagePack, and permessage-deflate of JSON."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from benchmarks.encodings.traffic import OutgoingPacket
from chatws.engine.codec import EventCodec
from chatws.protocol.commands import SendMessage
from chatws.wire.frames import Opcode, server_frame

Encoder = Callable[[OutgoingPacket], bytes]
"""Returns the WebSocket frame of a packet."""

_JSON_PREFIX: Final = b"42"
_EVENT: Final = 2
_ACK: Final = 3
_TAIL: Final = b"\x00\x00\xff\xff"
_HEAD_BYTES: Final = 2
_LONG_HEAD_BYTES: Final = 4
_SHORT_PAYLOAD: Final = 125

_pack = msgspec.msgpack.Encoder().encode


class PackedCommand(msgspec.Struct):
    """Event of a client in the format of socket.io-msgpack-parser."""

    type: int
    data: tuple[str, SendMessage]
    nsp: str = "/"


_decode_json: Callable[[bytes], Any] = msgspec.json.Decoder(tuple[str, SendMessage]).decode
_decode_packed: Callable[[bytes], Any] = msgspec.msgpack.Decoder(PackedCommand).decode


def make_json_encoder() -> Encoder:
    """Return the encoder that the server uses."""
    codec = EventCodec("/", allows_binary=False)

    def encode(packet: OutgoingPacket) -> bytes:
        if packet.name is None:
            return codec.ack(1, (packet.payload,))
        return codec.event(packet.name, (packet.payload,))

    return encode


def encode_msgpack(packet: OutgoingPacket) -> bytes:
    """Encode in the format of socket.io-msgpack-parser: one binary frame, without Engine.IO's type."""
    if packet.name is None:
        return server_frame(_pack({"type": _ACK, "data": [packet.payload], "id": 1, "nsp": "/"}), Opcode.BINARY)
    return server_frame(_pack({"type": _EVENT, "data": [packet.name, packet.payload], "nsp": "/"}), Opcode.BINARY)


def make_deflate_encoder(level: int, *, keeps_context: bool) -> Encoder:
    """Return an encoder with permessage-deflate (RFC 7692), which compresses every frame.

    With a context, a frame refers to earlier frames of its connection, and so cannot be shared by a room.
    """
    encode = make_json_encoder()
    stream = make_compressor(level)

    def compress(packet: OutgoingPacket) -> bytes:
        nonlocal stream
        payload = payload_of(encode(packet))
        if not keeps_context:
            stream = make_compressor(level)
        compressed = stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)
        return server_frame(compressed.removesuffix(_TAIL), Opcode.TEXT)

    return compress


def make_compressor(level: int) -> zlib._Compress:
    """Return a compressor with the window and memory level that WebSocket libraries use by default."""
    return zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)


def payload_of(frame: bytes) -> bytes:
    """Return the payload of an unmasked frame of less than 64 KiB."""
    return frame[_HEAD_BYTES if frame[1] <= _SHORT_PAYLOAD else _LONG_HEAD_BYTES :]


def encode_command_json(message: SendMessage) -> bytes:
    """Encode a client's event, with the packet types of Engine.IO and Socket.IO."""
    return _JSON_PREFIX + msgspec.json.encode(("send_message", message))


def encode_command_packed(message: SendMessage) -> bytes:
    """Encode a client's event in the format of socket.io-msgpack-parser."""
    return _pack(PackedCommand(_EVENT, ("send_message", message)))


def decode_command_json(packet: bytes) -> object:
    """Decode a client's event into its struct, in one step as the pipeline does."""
    return _decode_json(packet[len(_JSON_PREFIX) :])


def decode_command_packed(packet: bytes) -> object:
    """Do the same with MessagePack."""
    return _decode_packed(packet)
