from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatws_cli.presentation.sanitize import width
from chatws_cli.presentation.timeline_items import DateItem, MessageItem, NoticeItem
from chatws_cli.screen.conversation_list import fit, format_age
from chatws_cli.screen.layout import lay_out, plain, rule, spans
from chatws_cli.screen.wrap import wrap
from tools.screenshots.sample_events import NOON, at

ENTRY = MessageItem(1, "Grace (customer)", "customer", False, "Where is the parcel that I ordered?", NOON)


def test_text_breaks_at_spaces_and_long_words_are_cut() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert wrap("a\n\nb", 4) == ["a", "", "b"]
    assert wrap("日本語です", 4) == ["日本", "語で", "す"]
    assert wrap("overlong rest", 8, first=3) == ["", "overlong", "rest"]


@given(st.text(st.characters(exclude_categories=["C"])), st.integers(2, 30))
def test_no_row_exceeds_the_width_and_no_character_is_lost(text: str, columns: int) -> None:
    rows = wrap(text, columns)
    assert all(width(row) <= columns for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_a_message_has_time_mark_label_and_indented_rows() -> None:
    assert plain(ENTRY, 64, None).splitlines() == [
        "12:00    Grace (customer): Where is the parcel that I ordered?",
    ]
    assert plain(ENTRY, 40, "stored").splitlines() == [
        "12:00 ✓  Grace (customer): Where is the",
        "  parcel that I ordered?",
    ]


def test_every_state_of_an_own_message_looks_different_without_colour() -> None:
    looks = {plain(ENTRY, 80, state) for state in ("queued", "stored", "read", "failed")}
    assert len(looks) == 4


def test_rules_and_notices_fit_the_width() -> None:
    for block in (DateItem("Monday"), NoticeItem(1, "a notice of some words"), ENTRY):
        rows = lay_out(block, 20)
        for index in range(len(rows)):
            assert width("".join(span.text for span in spans(block, rows, index, 20, None))) <= 28
    assert rule("new", 11) == "─── new ───"


def test_waiting_time_is_short_at_every_size() -> None:
    assert [format_age(NOON, at(-minutes)) for minutes in (0, 1, 59, 60, 24 * 60, 72 * 60)] == [
        "0s",
        "1m",
        "59m",
        "1h",
        "1d",
        "3d",
    ]


def test_a_cell_is_filled_or_cut_to_its_columns() -> None:
    assert [fit("abc", 5), fit("abcdef", 4), fit("日本語", 4)] == ["abc  ", "abc…", "日… "]
