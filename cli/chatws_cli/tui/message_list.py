"""Widget of the messages: renders visible rows only, caches the layout, and keeps the scroll position."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatws_cli.presentation.timeline_items import Block, MessageItem
from chatws_cli.screen.layout import Rows, lay_out, spans
from chatws_cli.tui.styles import FOUND, MARKED, PALETTES

if TYPE_CHECKING:
    from textual.events import Resize
    from textual.selection import Selection

    from chatws_cli.presentation.thread import Thread
    from chatws_cli.screen.search import Search

_OLDER_WITHIN_ROWS = 3
"""Distance from the top at which the next page of history is requested."""


class _Drawn(NamedTuple):
    thread: Thread | None
    blocks: list[Block]
    read_seq: int
    size: Size
    search: tuple[str, MessageItem | None]
    theme: str


_NO_SEARCH: tuple[str, MessageItem | None] = ("", None)


class MessageList(ScrollView, can_focus=False):
    """Scrollable view of one thread; call `show` after every change of it."""

    ALLOW_SELECT = True

    class Moved(Message):
        """The scroll position has changed."""

    class NearTop(Message):
        """The scroll position is near the oldest loaded message."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: MessageItem | None = None
        """Message marked by keys; None for the newest."""
        self._thread: Thread | None = None
        self._blocks: list[Block] = []
        self._tops: list[int] = []
        """First row of each block."""
        self._layouts: dict[Block, Rows] = {}
        self._columns = 0
        self._was_at_end = True
        """Whether the last scroll ended at the newest message; resizing and new text are not scrolls."""
        self._search: Search | None = None
        self._style = Style()
        """Cached style of the widget; computing it takes longer than rendering a row."""
        self._drawn = _Drawn(None, [], 0, Size(0, 0), _NO_SEARCH, "")
        """State drawn last by `show`; an unneeded redraw writes 10 kB to the terminal, also over SSH."""

    @property
    def is_at_end(self) -> bool:
        """Whether the newest message is visible."""
        return self.scroll_offset.y >= self.max_scroll_y

    def show(self, thread: Thread | None, search: Search | None = None) -> None:
        """Draw a thread; stay at the end if scrolled there, otherwise keep the position; scroll to a new match."""
        drawn = self._fingerprint(thread, search)
        if drawn == self._drawn:
            return
        previous, self._drawn = self._drawn, drawn
        self._style = self.rich_style
        stays_at_end = self._was_at_end or thread is not self._thread
        anchor = self._anchor()
        if thread is not self._thread:
            self._thread, self.marked = thread, None
        self._arrange(drawn.blocks)
        if stays_at_end:
            self.to_end()
        elif anchor is not None:
            self._return_to(*anchor)
        match = drawn.search[1]
        if match is not None and match is not previous.search[1] and match in self._layouts:
            self._mark(match)
        self.refresh()

    def to_end(self) -> None:
        """Scroll to the newest message."""
        self._was_at_end = True
        self.scroll_end(animate=False, immediate=True, x_axis=False)

    def page(self, direction: int) -> None:
        """Scroll by a page less two rows."""
        step = max(1, self.size.height - 2)
        self.scroll_to(y=self.scroll_offset.y + direction * step, animate=False, immediate=True)

    def move_mark(self, direction: int) -> None:
        """Mark the message above or below."""
        entries = [block for block in self._blocks if isinstance(block, MessageItem)]
        if not entries:
            return
        index = entries.index(self.marked) + direction if self.marked in entries else len(entries) - 1
        self._mark(entries[max(0, min(index, len(entries) - 1))])

    def _mark(self, item: MessageItem) -> None:
        """Mark a message and scroll to it."""
        self.marked = item
        place = self._blocks.index(item)
        top, height = self._tops[place], len(self._layouts[item])
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True)
        elif top + height > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=top + height - self.size.height, animate=False, immediate=True)
        self.refresh()

    def marked_text(self) -> str | None:
        """Return the text of the marked message, else of the newest; None without any."""
        entries = [block for block in self._blocks if isinstance(block, MessageItem)]
        chosen = self.marked if self.marked in entries else entries[-1] if entries else None
        return None if chosen is None else chosen.text

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Post the messages that update the unread count and load older messages."""
        super().watch_scroll_y(old_value, new_value)
        self._was_at_end = self.is_at_end
        self.post_message(self.Moved())
        if new_value <= _OLDER_WITHIN_ROWS and new_value < old_value:
            self.post_message(self.NearTop())

    def on_resize(self, event: Resize) -> None:
        """Wrap the text for the new width."""
        del event
        self.show(self._thread, self._search)

    def render_line(self, y: int) -> Strip:
        """Render one visible row."""
        columns = self.size.width
        row = self.scroll_offset.y + y
        if row >= self.virtual_size.height or not self._blocks:
            return Strip.blank(columns, self._style)
        text = self._text(row)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(row)) is not None:
            start, end = span
            style = self.screen.get_component_rich_style("screen--selection")
            text.stylize(style, start, len(text) if end == -1 else end)
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.crop_extend(0, columns, self._style).apply_offsets(0, row)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text."""
        rows = (self._text(row).plain.rstrip() for row in range(self.virtual_size.height))
        return selection.extract("\n".join(rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Redraw with the new selection."""
        del selection
        self.refresh()

    def _text(self, row: int) -> Text:
        place = bisect_right(self._tops, row) - 1
        block = self._blocks[place]
        state = None
        if isinstance(block, MessageItem) and self._thread is not None:
            state = self._thread.state_of(block)
        styles = PALETTES[self._drawn.theme].styles
        text = Text(no_wrap=True, end="")
        for span in spans(block, self._layouts[block], row - self._tops[place], self._columns, state):
            text.append(span.text, styles[span.style])
        if block is self.marked:
            text.stylize(MARKED)
        if self._drawn.search[0] and isinstance(block, MessageItem):
            text.highlight_words([self._drawn.search[0]], FOUND, case_sensitive=False)
        return text

    def _fingerprint(self, thread: Thread | None, search: Search | None) -> _Drawn:
        self._search = search
        shown = _NO_SEARCH if search is None else (search.text, search.found)
        size = Size(max(1, self.scrollable_content_region.width), self.size.height)
        if thread is None:
            return _Drawn(None, [], 0, size, shown, self.app.theme)
        return _Drawn(thread, thread.blocks(), thread.read_seq, size, shown, self.app.theme)

    def _arrange(self, blocks: list[Block]) -> None:
        columns = max(1, self.scrollable_content_region.width)
        layouts = self._layouts if columns == self._columns else {}
        self._columns = columns
        self._blocks = blocks
        self._layouts = {block: layouts.get(block) or lay_out(block, columns) for block in self._blocks}
        self._tops, row = [], 0
        for block in self._blocks:
            self._tops.append(row)
            row += len(self._layouts[block])
        self.virtual_size = Size(columns, row)

    def _anchor(self) -> tuple[Block, int] | None:
        """Return the block in the first visible row, and the offset of that row in it."""
        if not self._blocks:
            return None
        row = min(self.scroll_offset.y, self.virtual_size.height - 1)
        place = bisect_right(self._tops, row) - 1
        return self._blocks[place], row - self._tops[place]

    def _return_to(self, block: Block, offset: int) -> None:
        if block in self._layouts:
            top = self._tops[self._blocks.index(block)]
            row = top + min(offset, len(self._layouts[block]) - 1)
            self.scroll_to(y=row, animate=False, immediate=True)
