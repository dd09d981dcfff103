"""One user's part of the screen: list, messages, text box and bars around one desk."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from chatws_cli.screen.commands import COMMANDS
from chatws_cli.screen.keys import KEYS
from chatws_cli.screen.status_bar import status_line, typing_line
from chatws_cli.text_ui import commands
from chatws_cli.tui.actions import Actions
from chatws_cli.tui.command_dispatcher import CommandDispatcher
from chatws_cli.tui.composer import Composer
from chatws_cli.tui.conversation_list import ConversationListView
from chatws_cli.tui.message_list import MessageList

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.events import Resize

    from chatws_cli.tui.controller import ChatController
    from chatws_cli.tui.preferences import Preferences

NARROW_COLUMNS = 80
_TICK_S = 0.5


class ChatView(Actions, Vertical):
    """Draws the desk's state after every change, and turns keys and text into what the desk does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.summary, id=key.id, show=False, priority=True) for key in KEYS if key.action
    ]

    def __init__(self, desk: ChatController, preferences: Preferences) -> None:
        super().__init__()
        self.desk = desk
        self.clock: Callable[[], datetime] = partial(datetime.now, UTC)
        self.orders = CommandDispatcher(desk, self.show_page)
        self.preferences = preferences
        self.listing = ConversationListView()
        self.pane = MessageList()
        self.box = Composer(preferences)
        self._typing_bar = Static("", markup=False, classes="typing")
        self._status_bar = Static("", markup=False, classes="status")
        self._bars: dict[Static, str] = {}
        """What stands in each bar."""
        self._shown_id: str | None = None
        """The conversation whose draft is in the box."""
        self._is_stale = False
        self._rings = 0

    def compose(self) -> ComposeResult:
        """Lay the parts out."""
        with Horizontal(classes="middle"):
            if self.desk.is_agent:
                yield self.listing
            with Vertical(classes="talk"):
                yield self.pane
                yield self._typing_bar
        with Horizontal(classes="box"):
            yield Static("> ", markup=False, classes="prompt")
            yield self.box
        yield self._status_bar

    def on_mount(self) -> None:
        """Begin to listen."""
        self.desk.changed = self.invalidate
        self.set_interval(_TICK_S, self._tick)
        self.invalidate()

    def on_unmount(self) -> None:
        """Listen no more."""
        self.desk.changed = lambda: None

    def on_resize(self, event: Resize) -> None:
        """Hide the list where there is no room for both."""
        self.set_class(event.size.width < NARROW_COLUMNS, "-narrow")
        self.set_class(event.size.width < NARROW_COLUMNS, "-unlisted")
        self.remove_class("-listed")
        self.invalidate()

    def invalidate(self) -> None:
        """Draw soon; many changes at once are drawn once."""
        if not self._is_stale and self.is_attached:
            self._is_stale = True
            self.call_next(self._draw)

    def say(self, text: str) -> None:
        """Do what was typed: a command, or a message."""
        command = commands.parse(text, is_agent=self.desk.is_agent, commands=COMMANDS)
        if isinstance(command, commands.Typed):
            self.box.write("")
            self.orders.obey(command.name, command.argument)
        elif command is not None:
            self.desk.tell(command, is_problem=True)
        elif text.strip() and self.desk.send(commands.message_of(text)):
            self.box.last = text
            self.box.write("")
            self.pane.to_end()

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.say(event.text)

    @on(Composer.Changed)
    async def _typed(self) -> None:
        text = self.box.text
        is_message = bool(text) and (not text.startswith("/") or text.startswith("//"))
        await self.desk.typing(is_typing=is_message)

    @on(ConversationListView.Chosen)
    def _chosen(self, event: ConversationListView.Chosen) -> None:
        self.go(event.conversation_id)

    @on(MessageList.Moved)
    def _moved(self) -> None:
        self.look()

    @on(MessageList.NearTop)
    def _near_top(self) -> None:
        self.desk.spawn(self.desk.load_older())

    def look(self) -> None:
        """Note whether somebody sees the newest messages."""
        is_looking = self.pane.is_at_end and self.app.app_focus
        if is_looking != self.desk.screen.is_looking:
            self.desk.screen.look(is_looking=is_looking)
            self.desk.mark_read()
            self.invalidate()

    def _tick(self) -> None:
        self.desk.refresh()
        self.invalidate()

    def _draw(self) -> None:
        self._is_stale = False
        screen = self.desk.screen
        self._exchange_drafts()
        self.pane.show(screen.current)
        if self.desk.is_agent:
            rows = screen.roster.rows(screen.own_id, screen.threads, screen.people, screen.current_id, self.clock())
            words = f" ({screen.roster.words})" if screen.roster.words else ""
            self.listing.show(f"{screen.roster.filter}{words}: {len(rows)}", rows)
        columns = self.size.width
        below = 0 if screen.current is None or self.pane.is_at_end else screen.current.unread
        self._write(self._typing_bar, typing_line(screen, below, self.pane.size.width))
        self._write(self._status_bar, status_line(screen, monotonic(), columns))
        self.look()
        if screen.rings > self._rings and self.preferences.bell:
            self.app.bell()
        self._rings = screen.rings

    def _write(self, bar: Static, text: str) -> None:
        if self._bars.get(bar) != text:
            self._bars[bar] = text
            bar.update(text, layout=False)

    def _exchange_drafts(self) -> None:
        screen = self.desk.screen
        if screen.current_id == self._shown_id:
            return
        left = None if self._shown_id is None else screen.threads.get(self._shown_id)
        if left is not None:
            left.draft = self.box.text
        self._shown_id = screen.current_id
        if left is not None and screen.current is not None:
            self.box.write(screen.current.draft)
