from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire.engineio import (
    EnginePacket,
    EnginePacketType,
    OpenPayload,
    decode_open,
    decode_packet,
    decode_payload,
    encode_packet,
    encode_payload,
    split_payload,
)
from chatws.wire.errors import PacketError, ViolationKind

text_packets = st.builds(
    EnginePacket, st.sampled_from(EnginePacketType), st.text(st.characters(codec="utf-8", exclude_characters="\x1e"))
)
binary_packets = st.builds(EnginePacket, st.just(EnginePacketType.MESSAGE), st.binary())


@given(st.lists(text_packets | binary_packets, min_size=1))
def test_payload_round_trips(packets: list[EnginePacket]) -> None:
    assert decode_payload(encode_payload(packets)) == packets


@given(st.binary())
def test_any_body_is_decoded_or_raises_packet_error(body: bytes) -> None:
    try:
        decode_payload(body)
    except PacketError:
        return


def test_payload_of_the_protocol_page_is_decoded() -> None:
    assert decode_payload(b"4hello\x1ebAQIDBA==") == [
        EnginePacket(EnginePacketType.MESSAGE, "hello"),
        EnginePacket(EnginePacketType.MESSAGE, b"\x01\x02\x03\x04"),
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ViolationKind.MALFORMED),
        (b"4a\x1e", ViolationKind.MALFORMED),
        (b"7", ViolationKind.MALFORMED),
        (b"\xff", ViolationKind.ENCODING),
        (b"4\xed\xa0\x80", ViolationKind.ENCODING),
        (b"bAQID%BA==", ViolationKind.MALFORMED),
        (b"bAQI", ViolationKind.MALFORMED),
        ("4\u0664\x1e\u0664".encode(), ViolationKind.MALFORMED),
    ],
)
def test_malformed_body_is_refused(body: bytes, kind: ViolationKind) -> None:
    with pytest.raises(PacketError) as raised:
        decode_payload(body)
    assert raised.value.kind is kind


def test_binary_message_is_plain_bytes_in_a_websocket() -> None:
    assert encode_packet(EnginePacket(EnginePacketType.MESSAGE, b"\x00")) == b"\x00"
    assert encode_packet(EnginePacket(EnginePacketType.PING, "probe")) == "2probe"


def test_split_payload_returns_websocket_messages() -> None:
    assert split_payload(b"4a\x1ebAA==\x1e2") == ["4a", b"\x00", "2"]


def test_open_packet_has_the_timings() -> None:
    packet = decode_packet('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}')
    assert decode_open(packet) == OpenPayload("x", [], 25000, 20000, 65536)


@pytest.mark.parametrize("text", ["4{}", "0", "0[]", '0{"sid":1}', "0" + "[" * 100_000])
def test_invalid_open_packet_is_refused(text: str) -> None:
    with pytest.raises(PacketError):
        decode_open(decode_packet(text))
