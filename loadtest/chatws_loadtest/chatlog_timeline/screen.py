"""Full screen of ``chatws timeline``: the diagram of a recording, and the explanation of the selected message."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from chatws.exit_codes import ExitCode
from chatws_loadtest.chatlog_timeline.diagram_view import DiagramView
from chatws_loadtest.chatlog_timeline.room_list import ALL_ROOMS, RoomList
from chatws_loadtest.chatlog_timeline.screen_state import TimelineScreenState
from chatws_loadtest.filter_box import FilterBox
from chatws_loadtest.screen_signals import exit_on_signals
from chatws_loadtest.text_summary import printable

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Resize

KEYS: Final = (
    "Up and Down select a row, Page Up and Page Down a screen further, Home and End the first and the last one.",
    "[ and ] move by a second, { and } by ten. n and p go to the next and the previous fault.",
    "Left and Right scroll sideways. / shows a room, a person or both, such as r1 u7; Esc shows all.",
    "r lists the rooms, those with faults first.",
    "● sent  ■ stored  ▶ received  ✕ never received, or refused  ╧ disconnected  ╤ connected  ▲ flag, fault or mark",
)
TALL: Final = 24
"""Height from which the explanation has more lines."""

SECOND_MS: Final = 1000


class TimelineScreen(App[ExitCode]):
    """Screen that shows a recording."""

    CSS = """
    #status { height: 1; background: $panel; }
    #diagram { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    #words { height: 4; border-top: solid $primary; scrollbar-size-vertical: 1; }
    #words.tall { height: 9; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
        Binding("left_square_bracket", f"move_time({-SECOND_MS})", show=False),
        Binding("right_square_bracket", f"move_time({SECOND_MS})", show=False),
        Binding("left_curly_bracket", f"move_time({-10 * SECOND_MS})", show=False),
        Binding("right_curly_bracket", f"move_time({10 * SECOND_MS})", show=False),
        Binding("left", "scroll(-1)", show=False),
        Binding("right", "scroll(1)", show=False),
        Binding("n", "fault(1)", "Fault"),
        Binding("p", "fault(-1)", show=False),
        Binding("slash", "filter", "Filter", priority=True),
        Binding("r", "rooms", "Rooms"),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("escape", "clear", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, state: TimelineScreenState) -> None:
        super().__init__()
        self.state = state
        self._diagram = DiagramView(state)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="status")
        yield self._diagram
        with VerticalScroll(id="words"):
            yield Static(id="explanation")
        yield FilterBox("room, person or both, such as r1 u7", apply=self._apply_filter, leave=self.action_clear)
        yield Footer()

    def on_mount(self) -> None:
        """Show the first row."""
        exit_on_signals(self)
        self.screen.set_focus(self._diagram)
        self._show()

    def on_resize(self, event: Resize) -> None:
        """Use the height for the explanation."""
        self.query_one("#words").set_class(event.size.height >= TALL, "tall")
        self.call_after_refresh(self._show)

    def action_move(self, rows: int) -> None:
        """Select another row."""
        self.state.move(rows)
        self._show()

    def action_move_page(self, direction: int) -> None:
        """Select a row a screen further."""
        self.action_move(direction * self._diagram.page)

    def action_first(self) -> None:
        """Select the first row."""
        self.action_move(-len(self.state.rows))

    def action_last(self) -> None:
        """Select the last row."""
        self.action_move(len(self.state.rows))

    def action_move_time(self, ms: int) -> None:
        """Select a row earlier or later in time."""
        self.state.move_time(ms)
        self._show()

    def action_scroll(self, columns: int) -> None:
        """Scroll sideways."""
        self.state.scroll_columns(columns)
        self._show()

    def action_fault(self, direction: int) -> None:
        """Select the next or the previous fault."""
        has_found = self.state.go_to_fault(direction)
        self._show()
        if not has_found:
            self._explain(["there is no other fault"])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the key of the filter in its box, so that it can be typed, and below the list of rooms."""
        del parameters
        is_typed = isinstance(self.focused, FilterBox) or len(self.screen_stack) > 1
        return True if action != "filter" or not is_typed else None

    def action_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterBox).open()

    def action_clear(self) -> None:
        """Close the filter; if it is closed, show all rooms."""
        box = self.query_one(FilterBox)
        if not box.has_class("shown"):
            self.state.choose(None)
        box.value = ""
        box.close()
        self.screen.set_focus(self._diagram)
        self._show()

    async def action_rooms(self) -> None:
        """Open the list of rooms."""

        def choose(number: int | None) -> None:
            if number is not None:
                self.state.choose(None if number == ALL_ROOMS else self.state.content.rooms[number])
                self._show()

        await self.push_screen(RoomList(self.state.content.rooms, self.state.room), choose)

    def action_keys(self) -> None:
        """Show the keys and symbols."""
        self._explain(KEYS)

    def action_leave(self) -> None:
        """End the screen."""
        self.exit(ExitCode.DONE)

    def action_interrupt(self) -> None:
        """End the screen as a signal does."""
        self.exit(ExitCode.INTERRUPTED)

    def on_diagram_view_clicked(self, event: DiagramView.Clicked) -> None:
        """Select the clicked row."""
        self.state.row = event.row
        self._show()

    def _apply_filter(self, words: str) -> None:
        unknown = self.state.filter(words)
        if unknown:
            self._explain([printable(f"there is no {unknown} in the recording")])
            return
        self.query_one(FilterBox).close()
        self.screen.set_focus(self._diagram)
        self._show()

    def _show(self) -> None:
        self._diagram.show()
        status = Text(self.state.title(), no_wrap=True, overflow="ellipsis")
        self.query_one("#status", Static).update(status)
        self._explain(self.state.describe())

    def _explain(self, lines: list[str] | tuple[str, ...]) -> None:
        self.query_one("#explanation", Static).update(Text("\n".join(lines), overflow="fold"))
        self.query_one("#words").scroll_home(animate=False)
