"""Finds words and phrases in what people type, whatever the case, the spacing and the form of the letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WIDE = frozenset("WF")
"""East Asian widths of scripts that put no space between words."""


class KeywordMatcher:
    """Words and phrases; each counts only as whole words, so that ``agent`` is not found in ``reagent``."""

    def __init__(self, phrases: Iterable[str]) -> None:
        patterns = [_pattern(phrase) for phrase in map(_fold, phrases) if phrase]
        self._search = re.compile("|".join(patterns)).search if patterns else None

    def found_in(self, text: str) -> bool:
        """Whether one of them is in the text."""
        return self._search is not None and self._search(_fold(text)) is not None


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _pattern(phrase: str) -> str:
    before = "" if _stands_alone(phrase[0]) else r"(?<!\w)"
    after = "" if _stands_alone(phrase[-1]) else r"(?!\w)"
    return f"{before}{re.escape(phrase)}{after}"


def _stands_alone(character: str) -> bool:
    return unicodedata.east_asian_width(character) in _WIDE
