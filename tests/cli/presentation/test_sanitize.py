from __future__ import annotations

import pytest

from chatws_cli.presentation.sanitize import clean, clean_line, excerpt, head, tail, width


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J",  # clears the screen
        "\x1b]0;pwned\x07",  # sets the title
        "\x9b31m",  # CSI as one C1 character
        "\u202e",  # right to left from here
        "\u2066\u2069",
        "\x7f\x08\r",
        "\ud800",  # cannot even be encoded
    ],
)
def test_control_characters_are_removed(attack: str) -> None:
    cleaned = clean(f"a{attack}b")
    assert cleaned.startswith("a")
    assert cleaned.endswith("b")
    assert all(character.isprintable() for character in cleaned)


def test_line_feeds_tabs_and_all_scripts_are_kept() -> None:
    text = "a\n\tb ü 漢字 عربي 👩‍👩‍👧"
    assert clean(text) == text


def test_a_name_stays_on_one_line() -> None:
    assert clean_line(" Eve\r\n12:00  Bob: pay me\t") == "Eve 12:00 Bob: pay me"


def test_width_counts_columns_and_not_characters() -> None:
    assert [width(text) for text in ("abc", "漢字", "e\u0301", "")] == [3, 4, 1, 0]


def test_cutting_never_exceeds_the_columns() -> None:
    assert head("漢字x", 3) == "漢"
    assert tail("x漢字", 3) == "字"
    assert tail("abc", 9) == head("abc", 9) == "abc"
    assert excerpt("a" * 50, 10) == "a" * 9 + "…"
    assert excerpt("two\nlines") == "two lines"
