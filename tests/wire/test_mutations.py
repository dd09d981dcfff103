"""10,000 mutated packets: each is decoded, or refused with the codec's own exception."""

from __future__ import annotations

import random
from collections import Counter

from chatws.wire import engineio, frame_parser, frames, socketio
from chatws.wire.errors import WireError
from chatws.wire.json_limits import check_json_limits
from tests.support.mutations import mutate

SEED = 20251028
PACKETS = 8_000
STREAMS = 2_000
ATTACHMENTS = 10


def decode_like_the_engine(text: str) -> str:
    """Decode as the engine does, from the Engine.IO packet to raw arguments; return the packet type."""
    packet = engineio.decode_packet(text)
    if packet.type is not engineio.EnginePacketType.MESSAGE:
        return packet.type.name
    inner = socketio.decode(text, at=1, max_attachments=ATTACHMENTS)
    check_json_limits(inner.raw_json, max_depth=32, max_values=1000)
    assert 0 <= (inner.ack_id or 0) <= socketio.MAX_ACK_ID
    assert inner.attachments <= ATTACHMENTS
    assert len(inner.namespace) <= socketio.MAX_NAMESPACE_CHARS
    if inner.type in (socketio.SocketPacketType.EVENT, socketio.SocketPacketType.BINARY_EVENT):
        name, _ = socketio.split_event(inner.raw_json)
        assert name not in socketio.RESERVED_EVENTS
    elif inner.type in (socketio.SocketPacketType.ACK, socketio.SocketPacketType.BINARY_ACK):
        socketio.split_ack(inner.raw_json)
    return inner.type.name


def test_every_mutated_packet_is_decoded_or_refused() -> None:
    rng = random.Random(SEED)
    seen: Counter[str] = Counter()
    for _ in range(PACKETS):
        body = mutate(rng)
        try:
            for message in engineio.split_payload(body):
                seen[decode_like_the_engine(message) if isinstance(message, str) else "attachment"] += 1
        except WireError as error:
            seen[f"refused: {error.kind}"] += 1
    refused = {"malformed", "encoding", "binary", "reserved_name"}
    assert {kind.removeprefix("refused: ") for kind in seen if kind.startswith("refused")} == refused
    assert {"EVENT", "ACK", "CONNECT", "DISCONNECT", "BINARY_EVENT", "PONG", "attachment"} <= seen.keys()


def test_every_mutated_frame_stream_is_parsed_or_refused() -> None:
    rng = random.Random(SEED)
    seen: Counter[str] = Counter()
    for _ in range(STREAMS):
        stream = bytearray(
            frames.client_frame(mutate(rng), rng.randbytes(4), rng.choice(list(frames.Opcode)))
            + frames.client_frame(b"3", rng.randbytes(4))
        )
        stream[rng.randrange(len(stream))] = rng.randrange(256)
        incoming = frame_parser.FrameParser(frame_parser.Role.SERVER, max_message_bytes=60)
        try:
            for at in range(0, len(stream), 16):
                seen["read"] += len(incoming.feed(bytes(stream[at : at + 16])))
        except WireError as error:
            seen[error.kind] += 1
        assert len(incoming._buffer) <= len(stream)
    assert {"read", "malformed", "encoding", "oversize"} <= seen.keys()
