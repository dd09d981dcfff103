"""Keyword search in user input that ignores case, spacing and Unicode letter forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WIDE = frozenset("WF")
"""East Asian widths of scripts without spaces between words."""


class KeywordMatcher:
    """Matcher of keywords and phrases as whole words: ``agent`` does not match ``reagent``."""

    def __init__(self, phrases: Iterable[str]) -> None:
        patterns = [_pattern(phrase) for phrase in map(_fold, phrases) if phrase]
        self._search = re.compile("|".join(patterns)).search if patterns else None

    def found_in(self, text: str) -> bool:
        """Return whether the text contains one of the phrases."""
        return self._search is not None and self._search(_fold(text)) is not None


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _pattern(phrase: str) -> str:
    before = "" if _needs_no_boundary(phrase[0]) else r"(?<!\w)"
    after = "" if _needs_no_boundary(phrase[-1]) else r"(?!\w)"
    return f"{before}{re.escape(phrase)}{after}"


def _needs_no_boundary(character: str) -> bool:
    return unicodedata.east_asian_width(character) in _WIDE
