"""Widget of the conversation list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatws_cli.presentation.sanitize import width
from chatws_cli.screen.conversation_list import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click

    from chatws_cli.screen.conversation_list import ConversationRow

_ROWS_EACH = 2
_NUMBERED = 9


class ConversationListView(ScrollView, can_focus=False):
    """Two rows per conversation: number, presence, name, start, unread count; status, waiting time, last message."""

    ALLOW_SELECT = False

    class Chosen(Message):
        """A conversation was clicked."""

        def __init__(self, conversation_id: str) -> None:
            super().__init__()
            self.conversation_id = conversation_id

    def __init__(self) -> None:
        super().__init__()
        self._heading = ""
        self._rows: Sequence[ConversationRow] = ()
        self._style = Style()
        self._theme = ""

    def show(self, heading: str, rows: Sequence[ConversationRow]) -> None:
        """Draw the list, scrolled to the open conversation."""
        if (heading, rows, self.app.theme) == (self._heading, self._rows, self._theme):
            return
        self._theme = self.app.theme
        self._heading, self._rows = heading, rows
        self._style = self.rich_style
        self.virtual_size = Size(self.size.width, 1 + len(rows) * _ROWS_EACH)
        place = next((index for index, row in enumerate(rows) if row.is_current), 0)
        top = 1 + place * _ROWS_EACH
        if top < self.scroll_offset.y or top + _ROWS_EACH > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=top - 1, animate=False, immediate=True)
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Choose the clicked conversation."""
        place = (self.scroll_offset.y + event.y - 1) // _ROWS_EACH
        if 0 <= place < len(self._rows):
            self.post_message(self.Chosen(self._rows[place].conversation_id))

    def render_line(self, y: int) -> Strip:
        """Render one row."""
        columns = self.size.width
        text = self._text(self.scroll_offset.y + y, columns)
        return Strip(text.render(self.app.console), text.cell_len).crop_extend(0, columns, self._style)

    def _text(self, line: int, columns: int) -> Text:
        if line == 0:
            return _styled(fit(self._heading, columns), Style(bold=True))
        place, is_second = divmod(line - 1, _ROWS_EACH)
        if place >= len(self._rows):
            return Text(end="")
        row = self._rows[place]
        style = Style(reverse=row.is_current, bold=bool(row.unread), dim=bool(is_second) and not row.is_current)
        if is_second:
            return _styled(fit(f"   {row.details}", columns), style)
        number = f"{place + 1}" if place < _NUMBERED else " "
        end = (f" {row.started}" if row.started else "") + (f" {row.unread} new" if row.unread else "")
        return _styled(fit(f"{number} {row.title}", columns - width(end)) + end, style)


def _styled(words: str, style: Style) -> Text:
    text = Text(words, end="")
    # A style passed to the constructor of Text is not rendered.
    text.stylize(style)
    return text
