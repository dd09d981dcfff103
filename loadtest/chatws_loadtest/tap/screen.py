"""Full screen of ``chatws tap``: connections, live events, and the detail of one event.

The proxy is a process of its own, whose JSON lines the screen reads: drawing does not delay the traffic.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.widgets import DataTable, Footer, Input, Static

from chatws.exit_codes import ExitCode
from chatws_loadtest.exit_signals import SIGNAL_CODES
from chatws_loadtest.filter_box import FilterBox
from chatws_loadtest.screen_signals import exit_on_signals
from chatws_loadtest.tap import line_writer
from chatws_loadtest.tap.record_text import SIGNS, describe
from chatws_loadtest.tap.screen_state import TapScreenState
from chatws_loadtest.tap.tap_records import TapRecord

REFRESH_S: Final = 0.25
NARROW: Final = 80
"""Width below which the list of connections is hidden at first."""

SHORT: Final = 14
"""Height below which there is no room for the detail of an event."""

MAX_LINE_BYTES: Final = 1 + line_writer.MAX_BYTES
"""Longest line that is read: the process writes none that exceeds its own limit."""

_STYLES: Final = {"flag": "bold red", "rule": "magenta", "close": "dim", "http": "dim"}

_decode = msgspec.json.Decoder(TapRecord).decode


class TapScreen(App[ExitCode]):
    """Screen that shows the records of a tap's process."""

    CSS = """
    #status { height: 1; background: $panel; }
    #connections { width: 30; display: none; }
    #connections.shown { display: block; }
    #events { height: 1fr; }
    #detail { height: 6; border-top: solid $primary; }
    #detail.hidden { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("slash", "filter", "Filter", priority=True),
        Binding("f", "flags", "Flags"),
        Binding("c", "connections", "Connections"),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("escape", "clear", "Clear", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, command: Sequence[str]) -> None:
        """Create the screen of the process that ``command`` starts."""
        super().__init__()
        self.state = TapScreenState()
        self._command = command
        self._address = ""
        # Newest line of the process on standard error, after its address.
        self._notice = ""
        self._rows: list[TapRecord] = []
        # Set by `on_mount`.
        self._reader: asyncio.Task[None] | None = None
        self.failure = ""
        """Last line of a process that has ended by itself."""

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="status")
        with Horizontal():
            yield DataTable(id="connections", show_cursor=False)
            with Vertical():
                yield DataTable(id="events", cursor_type="row")
                yield Static(id="detail")
        yield FilterBox("words of the lines to show; Esc shows all", apply=self._focus_events, leave=self.action_clear)
        yield Footer()

    def on_mount(self) -> None:
        """Start the process."""
        exit_on_signals(self)
        self.query_one("#connections", DataTable).add_columns("#", "user", "via", "events", "flags")
        self.query_one("#events", DataTable).add_columns("s", "#", "", "what")
        if self.size.width >= NARROW:
            self.query_one("#connections").add_class("shown")
        self._focus_events()
        self._reader = asyncio.create_task(self._read())
        self.set_interval(REFRESH_S, self._draw)
        self._draw()

    async def on_unmount(self) -> None:
        """End the process."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        self.query_one("#detail").set_class(event.size.height < SHORT, "hidden")
        self.state.changed = True

    def action_pause(self) -> None:
        """Stop or continue the list."""
        self.state.toggle_pause()
        self._draw()

    def action_flags(self) -> None:
        """Show flags only, or everything."""
        self.state.toggle_flags()
        self._draw()

    def action_connections(self) -> None:
        """Show or hide the connections."""
        self.query_one("#connections").toggle_class("shown")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the key of the filter while its box has the focus, so that it can be typed."""
        del parameters
        return True if action != "filter" or not isinstance(self.focused, FilterBox) else None

    def action_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterBox).open()

    def action_clear(self) -> None:
        """Close the filter, and show everything."""
        box = self.query_one(FilterBox)
        box.value = ""
        box.close()
        self.state.set_filter("")
        self._focus_events()
        self._draw()

    def action_leave(self) -> None:
        """End the screen."""
        self.exit(ExitCode.DONE)

    def action_interrupt(self) -> None:
        """End the screen as a signal does."""
        self.exit(ExitCode.INTERRUPTED)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the words are typed."""
        self.state.set_filter(event.value)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the detail of the selected row."""
        if event.data_table.id == "events" and 0 <= event.cursor_row < len(self._rows):
            lines = self.state.detail(self._rows[event.cursor_row])
            self.query_one("#detail", Static).update(Text("\n".join(lines), overflow="fold"))

    def _focus_events(self, _: str = "") -> None:
        self.screen.set_focus(self.query_one("#events"))

    async def _read(self) -> None:
        """Run the process, and take its records."""
        child = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=MAX_LINE_BYTES
        )
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            self._address = (await child.stderr.readline()).decode(errors="replace").strip()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_notices(child.stderr))
                while line := await child.stdout.readline():
                    self.state.apply(_decode(line))
            self._end(await child.wait())
        finally:
            if child.returncode is None:
                child.terminate()
                await asyncio.shield(child.wait())

    def _end(self, status: int) -> None:
        """Exit with the code of the process, which has ended by itself, or by a signal to all processes of the tap."""
        if status < 0:
            self.failure = f"chatws tap: the proxy was killed ({signal.Signals(-status).name})"
            self.exit(ExitCode.FAILED)
            return
        if status not in SIGNAL_CODES.values():
            self.failure = self._notice or self._address
        self.exit(ExitCode(status))

    async def _read_notices(self, stderr: asyncio.StreamReader) -> None:
        async for line in stderr:
            self._notice = line.decode(errors="replace").strip()

    def _draw(self) -> None:
        state = self.state
        words = [
            "PAUSED" if state.is_paused else "",
            # The rest of the line names the target.
            self._address.removeprefix("chatws tap: http://").partition(" ")[0],
            f"{state.open_connections} open, {state.events} events, {state.flags} flags",
            "flags only" if state.only_flags else "",
            f"filter: {state.filter_text}" if state.filter_text else "",
            self._notice.partition(": ")[2],
        ]
        status = Text("  ".join(word for word in words if word), no_wrap=True, overflow="ellipsis")
        self.query_one("#status", Static).update(status)
        if state.changed:
            state.changed = False
            self._draw_events(state.shown())
            self._draw_connections()

    def _draw_events(self, records: list[TapRecord]) -> None:
        table: DataTable[str | Text] = self.query_one("#events", DataTable)
        follows = table.cursor_row >= len(self._rows) - 1
        selected = self._rows[table.cursor_row] if 0 <= table.cursor_row < len(self._rows) else None
        self._rows = records
        table.clear()
        for record in records:
            style = _STYLES.get(record.type, "")
            cells = (f"{record.t:.1f}", str(record.c or ""), SIGNS[record.type], describe(record))
            table.add_row(*(Text(cell, style=style) for cell in cells))
        at = next((number for number, record in enumerate(records) if record is selected), None)
        table.move_cursor(row=len(records) - 1 if follows or at is None else at, animate=False)

    def _draw_connections(self) -> None:
        table: DataTable[str | Text] = self.query_one("#connections", DataTable)
        table.clear()
        for row in self.state.connections.values():
            style = "" if row.is_open else "dim"
            via = {"websocket": "ws", "polling": "poll"}.get(row.transport, "") if row.is_open else "closed"
            cells = (str(row.c), row.user, via, str(row.events), str(row.flags or ""))
            table.add_row(*(Text(cell, style=style) for cell in cells))


def run_screen(arguments: Sequence[str]) -> tuple[ExitCode, str]:
    """Show the screen of a tap with these arguments; return the exit code, and the last line of a tap that failed."""
    screen = TapScreen([sys.executable, "-m", "chatws_loadtest.tap", *arguments, "--json"])
    code = screen.run()
    return (ExitCode.FAILED if code is None else code), screen.failure
