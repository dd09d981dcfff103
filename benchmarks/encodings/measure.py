"""Size and CPU time of each encoding, and the memory of compression."""

from __future__ import annotations

import gc
import os
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from benchmarks.encodings import codecs
from benchmarks.encodings.traffic import SampleTraffic
from chatws.engine.codec import EventCodec
from chatws_loadtest.procfs import resident_bytes

T = TypeVar("T")

_MEMORY_CONNECTIONS: Final = 300
_BATCH: Final = 10


class EncodingResult(NamedTuple):
    """One encoding in one round; ``bytes`` is the mean of a frame, ``cpu_us`` the time for one packet."""

    encoding: str
    bytes: float
    cpu_us: float


def measure_sending(traffic: SampleTraffic) -> list[EncodingResult]:
    """Encode what the server sends, once with each encoding."""
    encoders = {
        "JSON": codecs.make_json_encoder(),
        "MessagePack": codecs.encode_msgpack,
        "JSON, deflate level 1 without context": codecs.make_deflate_encoder(1, keeps_context=False),
        "JSON, deflate level 6 without context": codecs.make_deflate_encoder(6, keeps_context=False),
        "JSON, deflate level 1 with context": codecs.make_deflate_encoder(1, keeps_context=True),
        "JSON, deflate level 6 with context": codecs.make_deflate_encoder(6, keeps_context=True),
    }
    return [_measure(name, encoder, traffic.sent) for name, encoder in encoders.items()]


def measure_receiving(traffic: SampleTraffic) -> list[EncodingResult]:
    """Decode what the server receives."""
    as_json = [codecs.encode_command_json(message) for message in traffic.received]
    packed = [codecs.encode_command_packed(message) for message in traffic.received]
    return [
        _measure_decoding("receive JSON", codecs.decode_command_json, as_json),
        _measure_decoding("receive MessagePack", codecs.decode_command_packed, packed),
    ]


def measure_batching(traffic: SampleTraffic) -> list[EncodingResult]:
    """Encode the messages one by one, and several in one event; sizes and times are per message."""
    messages = [packet.payload for packet in traffic.sent if packet.name == "message_received"]
    codec = EventCodec("/", allows_binary=False)
    batches = [messages[start : start + _BATCH] for start in range(0, len(messages), _BATCH)]
    alone = _measure("a message alone", lambda message: codec.event("message_received", (message,)), messages)
    batched = _measure("a batch", lambda batch: codec.event("messages_received", (batch,)), batches)
    share = len(batches) / len(messages)
    return [
        alone,
        EncodingResult(f"{_BATCH} messages in one event, each", batched.bytes * share, batched.cpu_us * share),
    ]


def measure_memory() -> float:
    """Return the memory of the compressor and the decompressor of one connection, in KiB."""
    chunk = os.urandom(64 * 1024)  # touches the whole window
    gc.collect()
    before = resident_bytes(os.getpid())
    held = []
    for _ in range(_MEMORY_CONNECTIONS):
        compressor, decompressor = codecs.make_compressor(1), zlib.decompressobj(-zlib.MAX_WBITS)
        decompressor.decompress(compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH))
        held.append((compressor, decompressor))
    used = resident_bytes(os.getpid()) - before
    return used / len(held) / 1024


def share_above(traffic: SampleTraffic, size: int) -> float:
    """Return the share of JSON frames with more than ``size`` bytes."""
    encode = codecs.make_json_encoder()
    return sum(len(encode(packet)) > size for packet in traffic.sent) / len(traffic.sent)


def _measure(name: str, encode: Callable[[T], bytes], packets: Sequence[T]) -> EncodingResult:
    began = time.process_time()
    size = 0
    for packet in packets:
        size += len(encode(packet))
    cpu_s = time.process_time() - began
    return EncodingResult(name, size / len(packets), cpu_s / len(packets) * 1e6)


def _measure_decoding(name: str, decode: Callable[[bytes], object], packets: Sequence[bytes]) -> EncodingResult:
    began = time.process_time()
    for packet in packets:
        decode(packet)
    cpu_s = time.process_time() - began
    return EncodingResult(name, sum(map(len, packets)) / len(packets), cpu_s / len(packets) * 1e6)
