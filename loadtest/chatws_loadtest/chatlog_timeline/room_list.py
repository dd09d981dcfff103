"""List of the rooms of a timeline, from which one is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from chatws_loadtest.text_summary import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from chatws_loadtest.chatlog_timeline.timeline_model import TimelineRoom

ALL_ROOMS = -1
WIDTHS = (7, 6, 5, 5, 5, 7, 5, 7)
"""Widths of the columns after the room; together they fit 60 columns."""


class RoomList(ModalScreen[int | None]):
    """Rooms with their latencies and faults; the result is the index of the chosen one, `ALL_ROOMS`, or None."""

    CSS = """
    #heads { height: 1; background: $panel; padding: 0 1; }
    OptionList { height: 1fr; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "Back")]

    def __init__(self, rooms: Sequence[TimelineRoom], current: TimelineRoom | None) -> None:
        super().__init__()
        self._rooms = rooms
        self._current = next((number for number, room in enumerate(rooms) if room is current), ALL_ROOMS)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(_line("room", "people", "mess.", "p50", "p99", "cuts", "caught", "late", "faults"), id="heads")
        yield OptionList("all rooms", *(_describe(room) for room in self._rooms), markup=False)

    def on_mount(self) -> None:
        """Select the current room."""
        self.query_one(OptionList).highlighted = self._current + 1

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose a room."""
        # Not awaited: the screen cannot wait for its own end.
        _ = self.dismiss(event.option_index - 1)


def _describe(room: TimelineRoom) -> str:
    summary = room.summary
    values = (summary.cuts, summary.caught_up, summary.late, summary.faults)
    return _line(
        printable(room.name) or "(none)",
        str(len(room.people)),
        str(len(room.messages)),
        *("-" if ms is None else str(ms) for ms in (summary.p50_ms, summary.p99_ms)),
        *(str(value) if value else "" for value in values),
    )


def _line(room: str, *values: str) -> str:
    return f"{room[:8]:<8}" + "".join(f"{value:>{width}}" for value, width in zip(values, WIDTHS, strict=True))
