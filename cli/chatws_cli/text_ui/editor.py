"""The half-typed line: what keys do to it, and how it looks in one row of the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean, tail, width

if TYPE_CHECKING:
    from chatws_cli.text_ui.keys import KeyPress

ERASE_ROW = "\r\x1b[K"
PROMPT = "> "

_ENTER = {"\r", "\n"}
_BACKSPACE = {"\x7f", "\x08"}
_END_OF_INPUT, _ERASE_LINE, _ERASE_WORD = "\x04", "\x15", "\x17"
_LINE_FEED_SHOWN = "⏎"


@dataclass(frozen=True, slots=True)
class Changed:
    """The text is another now."""

    text: str


@dataclass(frozen=True, slots=True)
class LineSubmitted:
    """Enter: this text is complete, and the line is empty again."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Ctrl-D on an empty line."""


Edit = Changed | LineSubmitted | Ended


class LineEditor:
    """Keeps the text; edits happen at its end."""

    def __init__(self) -> None:
        self.text = ""

    def press(self, key: KeyPress) -> Edit | None:
        """Apply a key; None when it changes nothing."""
        if key.text in _ENTER and not key.pasted:
            text, self.text = self.text, ""
            return LineSubmitted(text)
        if key.text == _END_OF_INPUT:
            return None if self.text else Ended()
        return self._set(self._edited(key))

    def _edited(self, key: KeyPress) -> str:
        if key.text in _BACKSPACE:
            return self.text[:-1]
        if key.text == _ERASE_LINE:
            return ""
        if key.text == _ERASE_WORD:
            return self.text.rstrip().rpartition(" ")[0]
        return self.text + clean(key.text) if key.pasted or key.text.isprintable() else self.text

    def row(self, columns: int) -> str:
        """Draw the prompt and as much of the text's end as one row holds."""
        shown = self.text.replace("\n", _LINE_FEED_SHOWN).replace("\t", " ")
        # The last column stays free: a full row would wrap, and erasing would miss its first half.
        return PROMPT + tail(shown, max(1, columns - width(PROMPT) - 1))

    def _set(self, text: str) -> Edit | None:
        if text == self.text:
            return None
        self.text = text
        return Changed(text)
