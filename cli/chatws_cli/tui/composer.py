"""Multi-line text box of the message being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.widgets import TextArea

if TYPE_CHECKING:
    from textual.events import Key

    from chatws_cli.tui.preferences import Preferences


_CHOOSING = {"up": -1, "down": 1, "escape": 0}
_SEARCHING = {"n": -1, "N": 1, "escape": 0}


class Composer(TextArea):
    """Text area whose Enter key sends the message."""

    class Submitted(Message):
        """The text was submitted."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Chose(Message):
        """Another completion was chosen: the one above (-1) or below (1), or none (0)."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Searched(Message):
        """An older (-1) or newer (1) match was requested, or the end of the search (0)."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, preferences: Preferences) -> None:
        super().__init__(theme="css", soft_wrap=True, compact=True, highlight_cursor_line=False, id=None)
        self.last = ""
        """Text sent last."""
        self.has_completions = False
        """Whether a list of completions is shown: arrow keys choose from it, Escape hides it."""
        self.is_searching = False
        """Whether the keys n, N and Escape belong to a search; any other text typed ends it."""
        self._send_keys = preferences.keys_for("send")
        self._newline_keys = preferences.keys_for("newline")
        self._recall_keys = preferences.keys_for("recall")

    def on_key(self, event: Key) -> None:
        """Send, insert a new line or recall the last text; other keys edit the text."""
        if self.is_searching and not self.text and event.key in _SEARCHING:
            self.post_message(self.Searched(_SEARCHING[event.key]))
        elif event.key in self._send_keys:
            self.post_message(self.Submitted(self.text))
        elif event.key in self._newline_keys:
            self.insert("\n")
        elif self.has_completions and event.key in _CHOOSING:
            self.post_message(self.Chose(_CHOOSING[event.key]))
        elif event.key in self._recall_keys and not self.text and self.last:
            self.write(self.last)
        else:
            return
        event.stop()
        event.prevent_default()

    def write(self, text: str) -> None:
        """Replace the text and move the cursor to its end."""
        self.load_text(text)
        self.move_cursor(self.document.end)
