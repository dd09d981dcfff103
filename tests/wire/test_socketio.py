from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire.errors import CloseCode, PacketError, ViolationKind
from chatws.wire.socketio import (
    MAX_ACK_ID,
    RESERVED_EVENTS,
    SocketPacket,
    SocketPacketType,
    decode,
    encode_ack,
    encode_connect,
    encode_connect_error,
    encode_disconnect,
    encode_event,
    parse_object,
    split_ack,
    split_event,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)
namespaces = st.just("/") | st.text("abc/-_0", max_size=8).map(lambda name: "/x" + name)
names = st.text(st.characters(codec="utf-8")).filter(lambda name: name not in RESERVED_EVENTS)
ack_ids = st.none() | st.integers(0, MAX_ACK_ID)
packet_like = st.text('0123456789-,/[]{}"abcn:. \x00\u0664\u00b2', max_size=40)


@given(names, st.lists(json_values, max_size=4), namespaces, ack_ids)
def test_event_round_trips(name: str, args: list[object], namespace: str, ack_id: int | None) -> None:
    packet = decode("4" + encode_event(name, args, namespace=namespace, ack_id=ack_id).decode(), at=1)
    assert (packet.type, packet.namespace, packet.ack_id) == (SocketPacketType.EVENT, namespace, ack_id)
    read_name, read_args = split_event(packet.raw_json)
    assert read_name == name
    assert [msgspec.json.decode(arg) for arg in read_args] == args


@given(st.lists(json_values, max_size=4), namespaces, st.integers(0, MAX_ACK_ID))
def test_ack_round_trips(values: list[object], namespace: str, ack_id: int) -> None:
    packet = decode(encode_ack(ack_id, values, namespace=namespace).decode())
    assert (packet.type, packet.namespace, packet.ack_id) == (SocketPacketType.ACK, namespace, ack_id)
    assert [msgspec.json.decode(value) for value in split_ack(packet.raw_json)] == values


@given(packet_like | st.text(), st.integers(0, 10))
def test_any_text_is_decoded_or_raises_packet_error(text: str, max_attachments: int) -> None:
    try:
        packet = decode(text, max_attachments=max_attachments)
        if packet.type in (SocketPacketType.EVENT, SocketPacketType.BINARY_EVENT):
            split_event(packet.raw_json)
        elif packet.type in (SocketPacketType.ACK, SocketPacketType.BINARY_ACK):
            split_ack(packet.raw_json)
    except PacketError:
        return


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", SocketPacket(SocketPacketType.CONNECT)),
        ("0/admin,", SocketPacket(SocketPacketType.CONNECT, "/admin")),
        ("0/admin", SocketPacket(SocketPacketType.CONNECT, "/admin")),
        ('0/admin,{"sid":"x"}', SocketPacket(SocketPacketType.CONNECT, "/admin", raw_json='{"sid":"x"}')),
        ("1", SocketPacket(SocketPacketType.DISCONNECT)),
        ("1/admin,", SocketPacket(SocketPacketType.DISCONNECT, "/admin")),
        ('2["foo"]', SocketPacket(SocketPacketType.EVENT, raw_json='["foo"]')),
        ('2/admin,["bar"]', SocketPacket(SocketPacketType.EVENT, "/admin", raw_json='["bar"]')),
        ('212["foo"]', SocketPacket(SocketPacketType.EVENT, ack_id=12, raw_json='["foo"]')),
        ("3/admin,13[]", SocketPacket(SocketPacketType.ACK, "/admin", 13, raw_json="[]")),
        ('4{"message":"no"}', SocketPacket(SocketPacketType.CONNECT_ERROR, raw_json='{"message":"no"}')),
        (
            '51-["a",{"_placeholder":true,"num":0}]',
            SocketPacket(SocketPacketType.BINARY_EVENT, "/", None, 1, '["a",{"_placeholder":true,"num":0}]'),
        ),
        ("61-15[]", SocketPacket(SocketPacketType.BINARY_ACK, "/", 15, 1, "[]")),
        (f'2{MAX_ACK_ID}["a"]', SocketPacket(SocketPacketType.EVENT, ack_id=MAX_ACK_ID, raw_json='["a"]')),
    ],
)
def test_packets_of_the_protocol_page_are_decoded(text: str, packet: SocketPacket) -> None:
    assert decode(text, max_attachments=10) == packet


def test_encoders_match_the_protocol_page() -> None:
    assert encode_connect() == b"0"
    assert encode_connect("/admin", {"sid": "x"}) == b'0/admin,{"sid":"x"}'
    assert encode_disconnect("/admin") == b"1/admin,"
    assert encode_connect_error("no", {"code": "x"}) == b'4{"message":"no","data":{"code":"x"}}'
    assert encode_event("foo", [1], ack_id=12) == b'212["foo",1]'
    assert encode_event("foo", [], namespace="/a", attachments=2) == b'52-/a,["foo"]'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "a",
        "2",
        "2{}",
        "2abc",
        '2"a"',
        "2[]",
        "2[",
        "2[1]",
        "2[null]",
        '2["a",]',
        '2["a"] x',
        '2["a",NaN]',
        '2["a",01]',
        '2["a\ud800"]',
        '2["\\ud800"]',
        '2["\\udc00"]',
        '2["a\x01"]',
        '2-1["a"]',
        '2\u0664["a"]',
        '2\u00b2["a"]',
        f'2{MAX_ACK_ID + 1}["a"]',
        "2" + "9" * 100 + '["a"]',
        '21-["a"]',
        '5["a"]',
        '5-["a"]',
        "3[]",
        "31",
        "31{}",
        "0[]",
        "01",
        "0x",
        '0{"a":}',
        "1{}",
        "1[]",
        "112",
        "4",
        "4[]",
        "0/" + "n" * 200,
        '2["a",' + "[" * 100_000 + "]" * 100_000 + "]",
    ],
)
def test_malformed_text_raises_packet_error(text: str) -> None:
    with pytest.raises(PacketError) as raised:
        _read(text)
    assert raised.value.close_code is CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_reserved_event_names_are_refused(name: str) -> None:
    with pytest.raises(PacketError) as raised:
        split_event(f'["{name}",{{}}]')
    assert raised.value.kind is ViolationKind.RESERVED_NAME


@pytest.mark.parametrize(("text", "limit"), [('51-["a"]', 0), ('511-["a"]', 10), ('459999999999-["a"]', 10)])
def test_attachments_beyond_the_limit_are_refused(text: str, limit: int) -> None:
    with pytest.raises(PacketError):
        decode(text, max_attachments=limit)


def test_error_text_never_contains_what_the_peer_sent() -> None:
    with pytest.raises(PacketError) as raised:
        _read('2["secret-token"')
    assert "secret" not in str(raised.value)


def test_empty_credentials_are_none() -> None:
    assert parse_object("") is None
    assert parse_object('{"token":"x"}') == msgspec.Raw(b'{"token":"x"}')


def _read(text: str) -> None:
    packet = decode(text, max_attachments=10)
    if packet.type in (SocketPacketType.EVENT, SocketPacketType.BINARY_EVENT):
        split_event(packet.raw_json)
    elif packet.type is SocketPacketType.CONNECT_ERROR and not packet.raw_json:
        raise PacketError(ViolationKind.MALFORMED, "no payload")
