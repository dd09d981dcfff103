"""Line editor: applies keys to the typed line and renders it in one terminal row."""

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
    """The text has changed."""

    text: str


@dataclass(frozen=True, slots=True)
class LineSubmitted:
    """Enter was pressed; the line is empty again."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Ctrl-D was pressed on an empty line."""


Edit = Changed | LineSubmitted | Ended


class LineEditor:
    """Line of text that is edited at its end."""

    def __init__(self) -> None:
        self.text = ""

    def press(self, key: KeyPress) -> Edit | None:
        """Apply a key; return None if it changes nothing."""
        if key.text in _ENTER and not key.pasted:
            text, self.text = self.text, ""
            return LineSubmitted(text)
        if key.text == _END_OF_INPUT:
            return None if self.text else Ended()
        return self._set(self._edited(key))

    def replace(self, text: str) -> Edit | None:
        """Replace the line; return None if it changes nothing."""
        return self._set(text)

    def _edited(self, key: KeyPress) -> str:
        if key.text in _BACKSPACE:
            return self.text[:-1]
        if key.text == _ERASE_LINE:
            return ""
        if key.text == _ERASE_WORD:
            return self.text.rstrip().rpartition(" ")[0]
        return self.text + clean(key.text) if key.pasted or key.text.isprintable() else self.text

    def row(self, columns: int) -> str:
        """Return the prompt and as much of the end of the text as fits one row."""
        shown = self.text.replace("\n", _LINE_FEED_SHOWN).replace("\t", " ")
        # The last column stays free: a full row would wrap, and erasing would leave its first part.
        return PROMPT + tail(shown, max(1, columns - width(PROMPT) - 1))

    def _set(self, text: str) -> Edit | None:
        if text == self.text:
            return None
        self.text = text
        return Changed(text)
