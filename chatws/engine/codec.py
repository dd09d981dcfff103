"""Codec of a namespace's events and acks: values to encoded frames, raw JSON to values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatws.wire import attachments, socketio
from chatws.wire.engineio import EnginePacketType
from chatws.wire.errors import PacketError, ViolationKind
from chatws.wire.frames import Opcode, server_frame, text_frame

_MESSAGE = EnginePacketType.MESSAGE.value.encode()
_decode = msgspec.json.Decoder().decode


class EventCodec:
    """Codec whose frames all receivers share; if binary is allowed, bytes in arguments become attachments."""

    __slots__ = ("_allows_binary", "_namespace")

    def __init__(self, namespace: str, *, allows_binary: bool) -> None:
        self._namespace = namespace
        self._allows_binary = allows_binary

    def event(self, name: str, args: Sequence[object], ack_id: int | None = None) -> bytes:
        """Encode an event.

        Raises:
            TypeError: an argument cannot be encoded as JSON.
        """
        if self._allows_binary:
            rest, buffers = _detach(args)
            if buffers:
                count = len(buffers)
                packet = socketio.encode_event(name, rest, namespace=self._namespace, ack_id=ack_id, attachments=count)
                return message_frames(packet, buffers)
        return text_frame(_MESSAGE + socketio.encode_event(name, args, namespace=self._namespace, ack_id=ack_id))

    def ack(self, ack_id: int, values: Sequence[object]) -> bytes:
        """Encode an ack.

        Raises:
            TypeError: a value cannot be encoded as JSON.
        """
        if self._allows_binary:
            rest, buffers = _detach(values)
            if buffers:
                count = len(buffers)
                packet = socketio.encode_ack(ack_id, rest, namespace=self._namespace, attachments=count)
                return message_frames(packet, buffers)
        return text_frame(_MESSAGE + socketio.encode_ack(ack_id, values, namespace=self._namespace))

    def decode_values(self, values: Sequence[msgspec.Raw], buffers: Sequence[bytes]) -> list[object]:
        """Decode raw values to Python objects and replace placeholders by their attachments.

        Raises:
            PacketError: a value cannot be decoded, or placeholders and attachments do not match.
        """
        try:
            decoded: object = [_decode(value) for value in values]
        except (msgspec.DecodeError, RecursionError):
            raise PacketError(ViolationKind.MALFORMED, "a value cannot be decoded") from None
        if buffers:
            decoded = attachments.attach(decoded, buffers)
        assert isinstance(decoded, list)
        return decoded


def message_frames(packet: bytes, buffers: Sequence[bytes] = ()) -> bytes:
    """Wrap a Socket.IO packet and its attachments into frames."""
    text = text_frame(_MESSAGE + packet)
    if not buffers:
        return text
    return text + b"".join(server_frame(buffer, Opcode.BINARY) for buffer in buffers)


def _detach(values: Sequence[object]) -> tuple[list[object], list[bytes]]:
    rest, buffers = attachments.detach(list(values))
    assert isinstance(rest, list)
    return rest, buffers
