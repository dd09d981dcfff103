"""View of one controller: conversation list, messages, composer and bars."""

from __future__ import annotations

import os
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
from chatws_cli.screen.hints import hint_line
from chatws_cli.screen.keys import KEYS
from chatws_cli.screen.notification import notification
from chatws_cli.screen.status_bar import status_line, typing_line
from chatws_cli.text_ui import commands
from chatws_cli.text_ui.completion import completions
from chatws_cli.tui.actions import Actions
from chatws_cli.tui.command_dispatcher import CommandDispatcher
from chatws_cli.tui.completion_list import CompletionList
from chatws_cli.tui.composer import Composer
from chatws_cli.tui.conversation_list import ConversationListView
from chatws_cli.tui.message_list import MessageList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.events import Resize

    from chatws_cli.text_ui.completion import Completion
    from chatws_cli.tui.controller import ChatController
    from chatws_cli.tui.preferences import Preferences

NARROW_COLUMNS = 80
_TICK_S = 0.5


class ChatView(Actions, Vertical):
    """Draws the state of the controller after every change, and forwards keys and text to it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.summary, id=key.id, show=False, priority=True) for key in KEYS if key.action
    ]

    def __init__(self, controller: ChatController, preferences: Preferences) -> None:
        super().__init__()
        self.controller = controller
        self.clock: Callable[[], datetime] = partial(datetime.now, UTC)
        self.preferences = preferences
        self.conversation_list = ConversationListView()
        self.message_list = MessageList()
        self.composer = Composer(preferences)
        self.dispatcher = CommandDispatcher(controller, self)
        self.completion_list = CompletionList()
        self._typing_bar = Static("", markup=False, classes="typing")
        self._status_bar = Static("", markup=False, classes="status")
        self._hint_bar = Static("", markup=False, classes="hints")
        self._bars: dict[Static, str] = {}
        """Text shown in each bar."""
        self._drafted_id: str | None = None
        """Conversation whose draft is in the composer."""
        self._is_stale = False
        self._bell_count = 0

    def compose(self) -> ComposeResult:
        """Arrange the widgets."""
        with Horizontal(classes="middle"):
            if self.controller.is_agent:
                yield self.conversation_list
            with Vertical(classes="conversation"):
                yield self.message_list
                yield self._typing_bar
        yield self.completion_list
        with Horizontal(classes="composer"):
            yield Static("> ", markup=False, classes="prompt")
            yield self.composer
        yield self._status_bar
        yield self._hint_bar

    def on_mount(self) -> None:
        """Subscribe to changes of the controller."""
        self.controller.on_change = self.invalidate
        self.set_interval(_TICK_S, self._tick)
        self.invalidate()

    def on_unmount(self) -> None:
        """Unsubscribe from the controller."""
        self.controller.on_change = lambda: None

    def on_resize(self, event: Resize) -> None:
        """Hide the list on a narrow screen."""
        self.set_class(event.size.width < NARROW_COLUMNS, "-narrow")
        self.set_class(event.size.width < NARROW_COLUMNS, "-unlisted")
        self.remove_class("-listed")
        self.invalidate()

    def invalidate(self) -> None:
        """Schedule a redraw; several changes are drawn together."""
        if not self._is_stale and self.is_attached:
            self._is_stale = True
            self.call_next(self._draw)

    def submit(self, text: str) -> None:
        """Run a typed command, or send a typed message."""
        command = commands.parse(text, is_agent=self.controller.is_agent, commands=COMMANDS)
        if isinstance(command, commands.Typed):
            self.composer.write("")
            self.dispatcher.run(command.name, command.argument)
        elif command is not None:
            self.controller.notify(command, is_problem=True)
        elif text.strip() and self.controller.send(commands.message_of(text)):
            self.composer.last = text
            self.composer.write("")
            self.message_list.to_end()

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.submit(event.text)

    @on(Composer.Changed)
    async def _typed(self) -> None:
        text = self.composer.text
        names = [] if self.controller.replies is None else self.controller.replies.names()
        found = completions(text, is_agent=self.controller.is_agent, commands=COMMANDS, choices={"reply": names})
        self._show_completions(found)
        if text:
            self.controller.screen.search = None
        is_message = bool(text) and (not text.startswith("/") or text.startswith("//"))
        await self.controller.typing(is_typing=is_message)

    @on(Composer.Chose)
    def _chose(self, event: Composer.Chose) -> None:
        if event.step:
            self.completion_list.choose(event.step)
        else:
            self._show_completions([])

    @on(Composer.Searched)
    def _searched(self, event: Composer.Searched) -> None:
        if event.step:
            self.controller.spawn(self.controller.searcher.move(event.step))
        else:
            self.controller.spawn(self.controller.searcher.start(""))

    def complete(self) -> bool:
        """Complete the typed command; return False if no list of completions is shown."""
        if not self.completion_list.is_shown:
            return False
        self.composer.write(self.completion_list.complete(self.composer.text))
        return True

    def _show_completions(self, found: Sequence[Completion]) -> None:
        is_complete = len(found) == 1 and found[0].line == self.composer.text
        self.completion_list.show([] if is_complete else found)
        self.composer.has_completions = self.completion_list.is_shown

    @on(ConversationListView.Chosen)
    def _on_chosen(self, event: ConversationListView.Chosen) -> None:
        self.go(event.conversation_id)

    @on(MessageList.Moved)
    def _moved(self) -> None:
        self.update_visibility()

    @on(MessageList.NearTop)
    def _near_top(self) -> None:
        self.controller.spawn(self.controller.load_older())

    def update_visibility(self) -> None:
        """Update whether the newest messages are visible."""
        is_newest_visible = self.message_list.is_at_end and self.app.app_focus
        if is_newest_visible != self.controller.screen.is_newest_visible:
            self.controller.screen.set_newest_visible(is_newest_visible=is_newest_visible)
            self.controller.mark_read()
            self.invalidate()

    def _tick(self) -> None:
        self.controller.refresh()
        self.invalidate()

    def _draw(self) -> None:
        self._is_stale = False
        screen = self.controller.screen
        self._swap_drafts()
        self.message_list.show(screen.current, screen.search)
        self.composer.is_searching = screen.search is not None
        if self.controller.is_agent:
            rows = screen.listed.rows(screen.own_id, screen.threads, screen.users, screen.current_id, self.clock())
            name_part = f" ({screen.listed.name_part})" if screen.listed.name_part else ""
            self.conversation_list.show(f"{screen.listed.filter}{name_part}: {len(rows)}", rows)
        columns = self.size.width
        below = 0 if screen.current is None or self.message_list.is_at_end else screen.current.unread
        self._write(self._typing_bar, typing_line(screen, below, self.message_list.size.width))
        self._write(self._status_bar, status_line(screen, monotonic(), columns))
        self._write(self._hint_bar, hint_line(screen, self.preferences.keys, columns))
        self.update_visibility()
        if screen.bell_count > self._bell_count:
            self.alert(screen.newest_alert)
        self._bell_count = screen.bell_count

    def alert(self, text: str) -> None:
        """Notify the user of a message that is not visible."""
        kind = self.preferences.notification_kind
        sequence = notification(kind, text, in_tmux=bool(os.environ.get("TMUX")))
        if sequence and self.app._driver is not None:  # noqa: SLF001  Textual's own `bell` uses it likewise
            self.app._driver.write(sequence)  # noqa: SLF001

    def _write(self, bar: Static, text: str) -> None:
        if self._bars.get(bar) != text:
            self._bars[bar] = text
            bar.update(text, layout=False)

    def _swap_drafts(self) -> None:
        screen = self.controller.screen
        if screen.current_id == self._drafted_id:
            return
        left = None if self._drafted_id is None else screen.threads.get(self._drafted_id)
        if left is not None:
            left.draft = self.composer.text
        self._drafted_id = screen.current_id
        if left is not None and screen.current is not None:
            self.composer.write(screen.current.draft)
