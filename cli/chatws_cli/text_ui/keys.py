"""Decodes terminal input into characters, control characters and pastes."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
"""Bracketed paste (xterm, "Bracketed Paste Mode"): pasted line feeds are text, not Enter."""

_PASTE_BEGIN, _PASTE_END = "\x1b[200~", "\x1b[201~"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)
"""Complete escape sequence: CSI (ECMA-48 5.4), SS3, or Alt with a character."""

_MAX_SEQUENCE = 32
_MAX_PASTE = 64 * 1024
"""Longer pastes are truncated: treated as typed, each line of the rest would be sent."""

_MAYBE_END = 1 - len(_PASTE_END)
"""Offset from which a text may contain the start of the end sequence."""


class KeyPress(NamedTuple):
    """Key or paste; ``text`` is a character, a control character, or the whole paste."""

    text: str
    pasted: bool = False


class KeyDecoder:
    """Incremental decoder of terminal input, split at any byte; unknown sequences are dropped."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._paste: str | None = None
        """Text of an incomplete paste."""

    def feed(self, received: bytes) -> list[KeyPress]:
        """Add received bytes; return the completed keys."""
        self._rest += self._utf8.decode(received)
        keys: list[KeyPress] = []
        while self._rest:
            if self._paste is not None:
                if not self._take_paste(keys):
                    break
            elif self._rest.startswith(_PASTE_BEGIN):
                self._paste, self._rest = "", self._rest.removeprefix(_PASTE_BEGIN)
            elif self._rest[0] == "\x1b":
                if not self._take_sequence():
                    break
            else:
                keys.append(KeyPress(self._rest[0]))
                self._rest = self._rest[1:]
        return keys

    def _take_paste(self, keys: list[KeyPress]) -> bool:
        """Consume received text of a paste; return whether it is complete."""
        text, end, after = self._rest.partition(_PASTE_END)
        if not end:
            text, after = self._rest[:_MAYBE_END], self._rest[_MAYBE_END:]
        self._paste, self._rest = f"{self._paste}{text}"[:_MAX_PASTE], after
        if not end:
            return False
        keys.append(KeyPress(self._paste.replace("\r\n", "\n").replace("\r", "\n"), pasted=True))
        self._paste = None
        return True

    def _take_sequence(self) -> bool:
        found = _SEQUENCE.match(self._rest)
        if found is None and len(self._rest) < _MAX_SEQUENCE:
            return False
        self._rest = self._rest[found.end() if found else 1 :]
        return True
