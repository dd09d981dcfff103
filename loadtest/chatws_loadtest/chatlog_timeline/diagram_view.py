"""Widget of the diagram, which draws the visible rows only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatws_loadtest.chatlog_timeline.diagram_drawing import PeopleColumns, draw_heads, draw_row

if TYPE_CHECKING:
    from textual.events import Click, Resize

    from chatws_loadtest.chatlog_timeline.diagram_drawing import Pieces
    from chatws_loadtest.chatlog_timeline.screen_state import TimelineScreenState

HEADS = 1
"""Lines above the rows."""

_SELECTED = Style(reverse=True)
_SAME_MESSAGE = Style(bold=True)


class DiagramView(ScrollView, can_focus=True, inherit_bindings=False):
    """Heads of the columns, and below them the rows; the keys are those of the screen."""

    ALLOW_SELECT = False

    class Clicked(Message):
        """A row was clicked."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self, state: TimelineScreenState) -> None:
        super().__init__(id="diagram")
        self._state = state
        self._columns = PeopleColumns.fit([], 0, 0)
        # Width, first column and people of these columns.
        self._fitted: tuple[int, int, list[str]] | None = None

    @property
    def page(self) -> int:
        """Number of rows on the screen."""
        return max(1, self.scrollable_content_region.height - HEADS)

    @property
    def _width(self) -> int:
        """Width beside the scroll bar."""
        return self.scrollable_content_region.width

    def show(self) -> None:
        """Draw the state, scrolled to the selected row."""
        state = self._state
        if not self.size.height:
            return
        self._fit_columns()
        self.virtual_size = Size(self._width, len(state.rows) + HEADS)
        top = self.scroll_offset.y
        if not top <= state.row < top + self.page:
            # The selected row of a jump is in the upper part, as those that follow it matter.
            is_next = top - 1 <= state.row <= top + self.page
            target = state.row - (self.page - 1 if is_next and state.row >= top else 0 if is_next else self.page // 3)
            self.scroll_to(y=max(0, target), animate=False, immediate=True)
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        """Draw for the new width."""
        del event
        self.show()

    def on_click(self, event: Click) -> None:
        """Choose the clicked row."""
        row = self.scroll_offset.y + event.y - HEADS
        if event.y >= HEADS and row < len(self._state.rows):
            self.post_message(self.Clicked(row))

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        width, state = self._width, self._state
        self._fit_columns()
        if y < HEADS:
            return _strip(draw_heads(self._columns, state.content.roles, width)).adjust_cell_length(width)
        number = self.scroll_offset.y + y - HEADS
        if number >= len(state.rows):
            return Strip.blank(width)
        row = state.rows[number]
        strip = _strip(draw_row(row, self._columns, state.is_absent, width)).adjust_cell_length(width)
        if number == state.row:
            return strip.apply_style(_SELECTED)
        selected = state.selected
        if selected is not None and row.message is not None and row.message is selected.message:
            return strip.apply_style(_SAME_MESSAGE)
        return strip

    def _fit_columns(self) -> None:
        """Choose the columns; the first drawing may come before the event that names the size."""
        state = self._state
        if (self._width, state.column, state.people) == self._fitted:
            return
        visible = len(PeopleColumns.fit(state.people, 0, self._width).names)
        # A wider screen may show columns to the left of the first one.
        state.visible = max(1, visible)
        state.column = max(0, min(state.column, len(state.people) - visible))
        self._columns = PeopleColumns.fit(state.people, state.column, self._width)
        self._fitted = self._width, state.column, state.people


def _strip(pieces: Pieces) -> Strip:
    return Strip([Segment(text, Style.parse(style)) for text, style in pieces])
