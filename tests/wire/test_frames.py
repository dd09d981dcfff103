from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.wire.errors import CloseCode, FrameError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role, parse_close
from chatws.wire.frames import (
    Opcode,
    apply_mask,
    client_frame,
    client_text_frame,
    close_frame,
    close_payload,
    iter_server_frames,
    server_frame,
)

SIZES = [0, 1, 125, 126, 127, 1_023, 1_024, 65_535, 65_536, 70_000]
texts = st.text(st.characters(codec="utf-8"))
messages = texts | st.binary(max_size=300)


def make_frame(message: str | bytes, role: Role) -> bytes:
    payload, opcode = (message.encode(), Opcode.TEXT) if isinstance(message, str) else (message, Opcode.BINARY)
    if role is Role.SERVER:
        return client_frame(payload, b"\x01\x80\xfe\x33", opcode)
    return server_frame(payload, opcode)


@given(st.lists(messages, max_size=5), st.sampled_from(Role), st.integers(1, 9))
def test_messages_are_parsed_from_chunks_of_any_size(sent: list[str | bytes], role: Role, step: int) -> None:
    stream = b"".join(make_frame(message, role) for message in sent)
    reader = FrameParser(role, max_message_bytes=10_000)
    got = [m for at in range(0, len(stream), step) for m in reader.feed(stream[at : at + step])]
    assert [message.payload for message in got] == sent


@given(st.lists(messages | st.text(min_size=120, max_size=200), max_size=5), st.integers(0, 600))
def test_take_texts_returns_the_same_as_feed(sent: list[str | bytes], cut: int) -> None:
    stream = b"".join(make_frame(message, Role.CLIENT) for message in sent)
    reader = FrameParser(Role.CLIENT, max_message_bytes=500)
    got: list[str | bytes] = []
    for chunk in (stream[:cut], stream[cut:]):
        taken = reader.take_texts(chunk)
        got += [message.payload for message in reader.feed(chunk)] if taken is None else taken
    assert got == sent


def test_take_texts_returns_none_for_other_frames() -> None:
    text = server_frame(b"whole")
    reader = FrameParser(Role.CLIENT, max_message_bytes=100)
    assert reader.take_texts(text + text) == ["whole", "whole"]
    for other in (text[:-1], server_frame(b"\xff\xff"), server_frame(bytes(101)), server_frame(b"x", Opcode.PING)):
        assert reader.take_texts(text + other) is None
    assert FrameParser(Role.SERVER, max_message_bytes=100).take_texts(text) is None
    reader.feed(server_frame(b"first ", is_last=False))
    assert reader.take_texts(text) is None


@given(st.text() | st.text(min_size=120, max_size=200))
def test_take_text_returns_a_whole_frame_of_a_client(sent: str) -> None:
    reader = FrameParser(Role.SERVER, max_message_bytes=1_000)
    assert reader.take_text(make_frame(sent, Role.SERVER)) == sent


def test_take_text_returns_none_for_other_bytes() -> None:
    mask = b"abcd"
    text = client_frame(b"whole", mask)
    reader = FrameParser(Role.SERVER, max_message_bytes=200)
    others = [text[:size] for size in range(len(text))]
    others += [text + text, server_frame(b"whole"), client_frame(b"\xff\xff", mask), client_frame(bytes(201), mask)]
    others += [client_frame(bytes(200), mask)[:size] for size in (6, 7, 8)] + [client_frame(bytes(70_000), mask)]
    others += [client_frame(b"x", mask, Opcode.PING), client_frame(b"x", mask, is_last=False)]
    for other in others:
        assert reader.take_text(other) is None
    assert FrameParser(Role.CLIENT, max_message_bytes=200).take_text(text) is None
    reader.feed(text[:3])
    assert reader.take_text(text) is None
    reader.feed(text[3:] + client_frame(b"first ", mask, is_last=False))
    assert reader.take_text(text) is None


@given(st.binary(max_size=200), st.sampled_from(Role))
def test_any_bytes_are_parsed_or_raise_frame_error(stream: bytes, role: Role) -> None:
    try:
        FrameParser(role, max_message_bytes=100).feed(stream)
    except FrameError:
        return


@pytest.mark.parametrize("size", SIZES)
def test_every_length_encoding_round_trips(size: int) -> None:
    payload = os.urandom(size)
    assert FrameParser(Role.CLIENT, max_message_bytes=size).feed(server_frame(payload, Opcode.BINARY)) == [
        FrameMessage(Opcode.BINARY, payload)
    ]
    assert FrameParser(Role.SERVER, max_message_bytes=size).feed(client_frame(payload, b"abcd", Opcode.BINARY)) == [
        FrameMessage(Opcode.BINARY, payload)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_clients_text_frame_equals_its_general_form(size: int) -> None:
    assert client_text_frame(b"x" * size, b"abcd") == client_frame(b"x" * size, b"abcd")


def test_joined_server_frames_are_split() -> None:
    parts = [(Opcode.BINARY, bytes(size)) for size in SIZES] + [(Opcode.TEXT, b"x")]
    chunk = b"".join(server_frame(payload, opcode) for opcode, payload in parts)
    assert list(iter_server_frames(chunk)) == parts


@given(st.binary(max_size=50) | st.binary(min_size=1_020, max_size=1_030), st.binary(min_size=4, max_size=4))
def test_mask_is_its_own_inverse(payload: bytes, mask: bytes) -> None:
    masked = apply_mask(payload, mask)
    assert apply_mask(masked, mask) == payload
    assert list(masked) == [byte ^ mask[index % 4] for index, byte in enumerate(payload)]


def test_control_frames_are_accepted_between_fragments() -> None:
    stream = (
        server_frame(b"hel", is_last=False)
        + server_frame(b"?", Opcode.PING)
        + server_frame(b"", Opcode.CONTINUATION, is_last=False)
        + server_frame(b"lo", Opcode.CONTINUATION)
    )
    assert FrameParser(Role.CLIENT, max_message_bytes=5).feed(stream) == [
        FrameMessage(Opcode.PING, b"?"),
        FrameMessage(Opcode.TEXT, "hello"),
    ]


def test_character_split_over_fragments_is_decoded() -> None:
    euro = "€".encode()
    stream = server_frame(euro[:1], is_last=False) + server_frame(euro[1:], Opcode.CONTINUATION)
    assert FrameParser(Role.CLIENT, max_message_bytes=5).feed(stream) == [FrameMessage(Opcode.TEXT, "€")]


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\xc1\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x91\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x83\x00", CloseCode.PROTOCOL_ERROR),
        (client_frame(b"x", b"abcd"), CloseCode.PROTOCOL_ERROR),
        (server_frame(b"x", Opcode.PING, is_last=False), CloseCode.PROTOCOL_ERROR),
        (server_frame(bytes(126), Opcode.PING), CloseCode.PROTOCOL_ERROR),
        (server_frame(b"x", Opcode.CONTINUATION), CloseCode.PROTOCOL_ERROR),
        (server_frame(b"x", is_last=False) + server_frame(b"y"), CloseCode.PROTOCOL_ERROR),
        (server_frame(b"\xff"), CloseCode.INVALID_TEXT),
        (server_frame(b"\xed\xa0\x80"), CloseCode.INVALID_TEXT),
        (server_frame(bytes(101)), CloseCode.TOO_BIG),
        (server_frame(bytes(60), is_last=False) + server_frame(bytes(60), Opcode.CONTINUATION), CloseCode.TOO_BIG),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", CloseCode.TOO_BIG),
    ],
)
def test_malformed_frame_is_refused_with_its_close_code(stream: bytes, code: CloseCode) -> None:
    reader = FrameParser(Role.CLIENT, max_message_bytes=100)
    with pytest.raises(FrameError) as raised:
        reader.feed(stream)
    assert raised.value.close_code is code
    with pytest.raises(FrameError):
        reader.feed(server_frame(b"fine"))


def test_read_returns_messages_before_an_error() -> None:
    reader = FrameParser(Role.SERVER, max_message_bytes=100)
    messages, error = reader.read(client_frame(b"fine", b"abcd") + b"\xc1\x80abcd" + client_frame(b"late", b"abcd"))
    assert messages == [FrameMessage(Opcode.TEXT, "fine")]
    assert error is not None
    assert reader.read(client_frame(b"later", b"abcd")) == ([], error)


def test_server_refuses_unmasked_frames() -> None:
    with pytest.raises(FrameError):
        FrameParser(Role.SERVER, max_message_bytes=100).feed(server_frame(b"x"))


def test_oversize_frame_is_refused_before_its_payload_arrives() -> None:
    with pytest.raises(FrameError):
        FrameParser(Role.CLIENT, max_message_bytes=100).feed(server_frame(bytes(1000))[:4])


def test_close_frame_has_code_and_reason() -> None:
    (message,) = FrameParser(Role.CLIENT, max_message_bytes=0).feed(close_frame(CloseCode.RESTART, "bye"))
    assert isinstance(message.payload, bytes)
    assert parse_close(message.payload) == (1012, "bye")
    assert parse_close(b"").code == CloseCode.NO_STATUS
    assert parse_close(close_payload(4000)).code == 4000


@given(st.text())
def test_reason_of_any_length_fits_a_control_frame(reason: str) -> None:
    payload = close_payload(1000, reason.encode("utf-8", "ignore").decode() * 3)
    assert len(payload) <= 125
    parse_close(payload)


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xed", b"\x00\x00", b"\x13\x88", b"\x03\xe8\xff"])
def test_invalid_close_frame_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        parse_close(payload)
