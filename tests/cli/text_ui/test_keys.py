from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatws_cli.presentation.sanitize import width
from chatws_cli.text_ui.editor import Changed, Ended, LineEditor, LineSubmitted
from chatws_cli.text_ui.keys import KeyDecoder, KeyPress


def decode(*chunks: bytes) -> list[KeyPress]:
    decoder = KeyDecoder()
    return [key for chunk in chunks for key in decoder.feed(chunk)]


def edit(*chunks: bytes) -> tuple[LineEditor, list[object]]:
    editor, decoder = LineEditor(), KeyDecoder()
    return editor, [editor.press(key) for chunk in chunks for key in decoder.feed(chunk)]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20), st.data())
def test_text_survives_any_division_into_reads(text: str, data: st.DataObject) -> None:
    encoded = text.encode()
    cut = data.draw(st.integers(0, len(encoded)))
    assert "".join(key.text for key in decode(encoded[:cut], encoded[cut:])) == text


@given(st.lists(st.binary(max_size=12), max_size=6))
def test_any_bytes_leave_a_line_that_can_be_drawn(chunks: list[bytes]) -> None:
    editor, _ = edit(*chunks)
    row = editor.row(20)
    assert width(row) < 20
    assert row.isprintable()


@pytest.mark.parametrize("sequence", [b"\x1b[A", b"\x1b[1;5D", b"\x1bOP", b"\x1bx", b"\x1b[3~"])
def test_unknown_escape_sequences_are_ignored(sequence: bytes) -> None:
    assert decode(sequence + b"a") == [KeyPress("a")]
    assert decode(sequence[:1], sequence[1:] + b"a") == [KeyPress("a")]


def test_a_paste_of_several_lines_is_one_text_and_sends_nothing() -> None:
    editor, edits = edit(b"see: \x1b[200~one\r\ntw", b"o\rthree\x1b[201~")
    assert editor.text == "see: one\ntwo\nthree"
    assert not any(isinstance(one, LineSubmitted) for one in edits)
    assert editor.row(40) == "> see: one⏎two⏎three"


def test_enter_submits_the_text_and_clears_the_line() -> None:
    editor, edits = edit("grüße\r".encode())
    assert edits[-1] == LineSubmitted("grüße")
    assert editor.text == ""


@pytest.mark.parametrize(
    ("typed", "left"),
    [(b"abc\x7f", "ab"), (b"abc\x15", ""), (b"two words\x17", "two"), ("ü\x7f".encode(), ""), (b"\x7f", "")],
)
def test_editing_keys(typed: bytes, left: str) -> None:
    assert edit(typed)[0].text == left


def test_only_changes_count_as_typing() -> None:
    assert edit(b"a\x01\x7f\x7f")[1] == [Changed("a"), None, Changed(""), None]


def test_end_of_input_needs_an_empty_line() -> None:
    assert edit(b"a\x04")[1][-1] is None
    assert edit(b"a\x15\x04")[1][-1] == Ended()


def test_a_long_line_shows_its_end_in_one_row() -> None:
    editor, _ = edit(b"0123456789" * 10)
    assert editor.row(20) == "> " + ("0123456789" * 10)[-17:]


def test_a_huge_paste_is_cut_and_never_becomes_keys() -> None:
    pasted = b"\x1b[200~" + b"a line\r" * 20_000 + b"\x1b[201~b"
    keys = decode(*(pasted[start : start + 4096] for start in range(0, len(pasted), 4096)))
    assert [key.pasted for key in keys] == [True, False]
    assert keys[0].text.startswith("a line\na line\n")
    assert len(keys[0].text) == 64 * 1024
    assert keys[1].text == "b"


@given(st.integers(0, 20))
def test_a_paste_survives_any_division_into_reads(cut: int) -> None:
    pasted = b"\x1b[200~ab\x1b[20c\x1b[201~"
    assert decode(pasted[:cut], pasted[cut:]) == [KeyPress("ab\x1b[20c", pasted=True)]
