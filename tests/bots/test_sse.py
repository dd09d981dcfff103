"""Server-sent events in chunks of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws.bots.sse import MAX_EVENT_CHARS, EventStream, EventTooLong, ServerSentEvent


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: one\n\ndata:two\n\n", [("message", "one"), ("message", "two")]),
        ("data:  two spaces\n\n", [("message", " two spaces")]),
        ("data: a\ndata: b\ndata\n\n", [("message", "a\nb\n")]),
        ("event: x\ndata: 1\n\ndata: 2\n\n", [("x", "1"), ("message", "2")]),
        ("event: nothing\n\ndata: 2\n\n", [("message", "2")]),
        (": comment\n\n:\n\ndata: 1\n: inside\n\n", [("message", "1")]),
        ("id: 7\nretry: 1000\nunknown: x\ndata: 1\n\n", [("message", "1")]),
        ("data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n", [("message", "1"), ("message", "2"), ("message", "3")]),
        ("\ufeffdata: 1\n\n", [("message", "1")]),
        ("data: cut off\n", []),
        ('data: {"a": "b: c"}\n\n', [("message", '{"a": "b: c"}')]),
    ],
)
def test_stream_is_parsed_according_to_the_standard_for_every_split(text: str, events: list[tuple[str, str]]) -> None:
    whole = text.encode()
    for size in range(1, len(whole) + 1):
        stream = EventStream()
        found = [event for at in range(0, len(whole), size) for event in stream.feed(whole[at : at + size])]
        assert found == [ServerSentEvent(*event) for event in events], size


# Characters of one to four bytes, and some at which Python, but not the standard, ends a line.
@given(st.lists(st.text("a: \t\0\vé\x85漢\u2028😀"), min_size=1), st.data())
def test_any_text_survives_any_split(lines: list[str], data: st.DataObject) -> None:
    whole = "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    cut = data.draw(st.integers(0, len(whole)))
    stream = EventStream()
    assert [*stream.feed(whole[:cut]), *stream.feed(whole[cut:])] == [ServerSentEvent("message", "\n".join(lines))]


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_are_accepted(chunks: list[bytes]) -> None:
    stream = EventStream()
    for chunk in chunks:
        stream.feed(chunk)


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000 + b"\n", b"x" * 1000], ids=["lines", "one line"])
def test_event_over_the_size_limit_is_rejected(line: bytes) -> None:
    stream = EventStream()
    for _ in range(MAX_EVENT_CHARS // 1100):
        stream.feed(line)
    with pytest.raises(EventTooLong):
        stream.feed(line * 100)
