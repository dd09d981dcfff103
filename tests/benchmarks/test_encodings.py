from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from benchmarks.encodings import codecs
from benchmarks.encodings.__main__ import main
from benchmarks.encodings.traffic import make_traffic

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = 20


def test_every_encoding_carries_the_same_packets() -> None:
    packets = make_traffic(MESSAGES).sent
    encode = codecs.make_json_encoder()
    expected = [codecs.payload_of(encode(packet)) for packet in packets]
    for keeps_context in (True, False):
        compress = codecs.make_deflate_encoder(1, keeps_context=keeps_context)
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        received = []
        for packet in packets:
            if not keeps_context:
                stream = zlib.decompressobj(-zlib.MAX_WBITS)
            received.append(stream.decompress(codecs.payload_of(compress(packet)) + b"\x00\x00\xff\xff"))
        assert received == expected
    for packet, as_json in zip(packets, expected, strict=True):
        unpacked = msgspec.msgpack.decode(codecs.payload_of(codecs.encode_msgpack(packet)))
        assert unpacked["data"] == msgspec.json.decode(as_json[as_json.index(b"[") :])


def test_benchmark_writes_all_rows(tmp_path: Path) -> None:
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    results = msgspec.json.decode((tmp_path / "encodings.json").read_bytes())
    names = [name for name, _, _ in results["rounds"][0]]
    assert len(names) == len(set(names)) == 10
    assert results["memory_kib"] > 100
