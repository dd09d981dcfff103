"""Removes control characters from remote text before it is printed, and measures its width in columns."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 but tab and line feed, DEL, C1, bidirectional controls (Unicode TR 9), line separators, lone surrogates."""

_WHITE = re.compile(r"\s+")
_ELLIPSIS = "…"


def clean(text: str) -> str:
    """Remove the characters a terminal would interpret; line feeds and tabs are kept."""
    return _CONTROLS.sub("", text)


def clean_line(text: str) -> str:
    """Remove control characters and line breaks, for names and excerpts."""
    return _WHITE.sub(" ", clean(text)).strip()


def excerpt(text: str, columns: int = 40) -> str:
    """Shorten to one line of at most that many columns."""
    line = clean_line(text)
    if width(line) <= columns:
        return line
    return head(line, columns - 1) + _ELLIPSIS


def width(text: str) -> int:
    """Return the width in terminal columns; combining marks use none, East Asian wide characters two."""
    return sum(map(_columns, text))


def head(text: str, columns: int) -> str:
    """Return the longest prefix that fits."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > columns:
            return text[:index]
    return text


def tail(text: str, columns: int) -> str:
    """Return the longest suffix that fits."""
    used = 0
    for index in range(len(text) - 1, -1, -1):
        used += _columns(text[index])
        if used > columns:
            return text[index + 1 :]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
