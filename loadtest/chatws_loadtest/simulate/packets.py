"""Packets of the simulated network, decoded from the bytes that the server writes."""

from __future__ import annotations

from typing import Any, NamedTuple

from chatws.protocol.codec import decode_ack, decode_event_packet
from chatws.protocol.responses import Ok, Refused
from chatws.wire.client_packets import (
    AckReceived,
    EventReceived,
    NamespaceConnected,
    NamespaceDisconnected,
    NamespaceRefused,
    PingReceived,
    TransportClosed,
    read_packet,
)
from chatws.wire.frame_parser import FrameParser, Role

MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class ServerEvent(NamedTuple):
    """Event of the server."""

    name: str
    payload: Any


class RawAck(NamedTuple):
    """Ack, which is decoded when the name of the request is known."""

    ack_id: int
    raw_json: str

    def decode(self, name: str) -> Ok | Refused:
        """Return the reply to a request."""
        return decode_ack(name, self.raw_json)


class ConnectionReset(NamedTuple):
    """End of the TCP connection."""

    reason: str


ServerPacket = (
    ServerEvent
    | RawAck
    | NamespaceConnected
    | NamespaceRefused
    | NamespaceDisconnected
    | PingReceived
    | TransportClosed
    | ConnectionReset
)


class PacketReader:
    """Decoder of the frames that servers write; a broadcast, whose bytes all members share, is decoded once."""

    def __init__(self) -> None:
        self._parser = FrameParser(Role.CLIENT, max_message_bytes=MAX_MESSAGE_BYTES)
        self._last_chunk = b""
        self._last_packets: list[ServerPacket] = []

    def read(self, chunk: bytes) -> list[ServerPacket]:
        """Decode whole frames."""
        if chunk is not self._last_chunk:
            texts = self._parser.take_texts(chunk)
            if texts is None:
                texts = [str(message.payload) for message in self._parser.feed(chunk)]
            self._last_chunk = chunk
            self._last_packets = [packet for text in texts if (packet := _read(text)) is not None]
        return self._last_packets


def _read(text: str) -> ServerPacket | None:
    packet = read_packet(text)
    match packet:
        case EventReceived():
            found = decode_event_packet(packet.raw_json)
            return None if found is None else ServerEvent(*found)
        case AckReceived():
            return RawAck(packet.ack_id, packet.raw_json)
        case NamespaceConnected() | NamespaceRefused() | NamespaceDisconnected() | PingReceived() | TransportClosed():
            return packet
        case _:
            return None
