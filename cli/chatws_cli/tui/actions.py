"""Actions of the keys in ``chatws_cli.screen.keys``, one method each."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from textual.widget import Widget

from chatws.exit_codes import ExitCode
from chatws.protocol.entities import PresenceChoice
from chatws_cli.screen.help_page import help_page
from chatws_cli.screen.layout import plain
from chatws_cli.tui.external_programs import run_program
from chatws_cli.tui.help import HelpScreen

if TYPE_CHECKING:
    from chatws_cli.screen.themes import ThemeName
    from chatws_cli.tui.command_dispatcher import CommandDispatcher
    from chatws_cli.tui.composer import Composer
    from chatws_cli.tui.controller import ChatController
    from chatws_cli.tui.message_list import MessageList
    from chatws_cli.tui.preferences import Preferences

_TRANSCRIPT_COLUMNS = 100


class Actions(Widget):
    """Mixin of `ChatView`, which provides the attributes below."""

    controller: ChatController
    dispatcher: CommandDispatcher
    preferences: Preferences
    message_list: MessageList
    composer: Composer

    def go(self, conversation_id: str) -> None:
        """Open a conversation, and close the list if it covers the messages."""
        if self.has_class("-listed"):
            self.action_toggle_list()
        self.controller.spawn(self.controller.open(conversation_id))

    def show_page(self, name: str) -> None:
        """Show ``help`` or ``transcript``."""
        if name == "help":
            self.run_worker(self.action_help())
        else:
            self.action_transcript()

    def insert(self, text: str) -> None:
        """Replace the text being written."""
        self.composer.write(text)

    def use_theme(self, name: ThemeName) -> None:
        """Change the colours until the end of the program."""
        self.app.theme = name
        self.controller.on_change()

    def action_switch(self, step: int) -> None:
        """Open the conversation above or below in the list."""
        ids = self._visible()
        if ids:
            current = self.controller.screen.current_id
            place = ids.index(current) + step if current in ids else 0
            self.go(ids[place % len(ids)])

    def action_go_to(self, number: int) -> None:
        """Open a conversation by its position in the list."""
        ids = self._visible()
        if number <= len(ids):
            self.go(ids[number - 1])

    def action_next_unread(self) -> None:
        """Open the next conversation with unread messages."""
        screen = self.controller.screen
        unread = (key for key in self._visible() if key != screen.current_id and key in screen.threads)
        found = next((key for key in unread if screen.threads[key].unread), None)
        if found is None:
            self.controller.notify("no other conversation is unread")
        else:
            self.go(found)

    def action_command(self, name: str) -> None:
        """Run a slash command."""
        self.dispatcher.run(name)

    def action_next_filter(self) -> None:
        """Switch the filter of the list."""
        self.controller.screen.listed.next_filter()
        self.controller.on_change()

    def action_toggle_list(self) -> None:
        """Show or hide the list; on a narrow screen it covers the messages."""
        is_hidden = self.has_class("-unlisted")
        self.set_class(not is_hidden, "-unlisted")
        self.set_class(is_hidden and self.has_class("-narrow"), "-listed")

    def action_next_presence(self) -> None:
        """Switch the presence shown to others."""
        choices = get_args(PresenceChoice)
        present = self.controller.screen.users.own_presence()
        place = choices.index(present) + 1 if present in choices else 0
        self.dispatcher.run("status", choices[place % len(choices)])

    def action_page(self, direction: int) -> None:
        """Scroll by a page; at the top, load older messages."""
        self.message_list.page(direction)
        if direction < 0 and self.message_list.scroll_offset.y == 0:
            self.controller.spawn(self.controller.load_older())

    def action_top(self) -> None:
        """Scroll to the oldest loaded message."""
        self.message_list.scroll_home(animate=False, immediate=True)

    def action_bottom(self) -> None:
        """Scroll to the newest message."""
        self.message_list.to_end()

    def action_mark(self, direction: int) -> None:
        """Mark the message above or below."""
        self.message_list.move_mark(direction)

    def action_copy(self) -> None:
        """Copy the selection, else the marked message, else the newest; most terminals support OSC 52."""
        text = self.screen.get_selected_text() or self.composer.selected_text or self.message_list.marked_text()
        if text:
            self.app.copy_to_clipboard(text)
            self.controller.notify("copied; if tmux does not pass it on: set -g set-clipboard on")

    def action_interrupt(self) -> None:
        """Copy the selection; without one, quit."""
        if self.screen.get_selected_text() or self.composer.selected_text:
            self.action_copy()
        else:
            self.controller.end(int(ExitCode.INTERRUPTED))

    def action_quit_chat(self) -> None:
        """Quit."""
        self.controller.end(int(ExitCode.DONE))

    async def action_help(self) -> None:
        """Show keys and commands by task."""
        lines = help_page(self.preferences.keys, is_agent=self.controller.is_agent)
        await self.app.push_screen(HelpScreen("\n".join(lines)))

    def action_transcript(self) -> None:
        """Show the conversation in the pager, where the terminal's own selection works."""
        self.run_worker(self._read_transcript(), exit_on_error=True)

    def action_editor(self) -> None:
        """Edit the message in the editor."""
        self.run_worker(self._edit(), exit_on_error=True)

    async def _read_transcript(self) -> None:
        thread = self.controller.screen.current
        if thread is None:
            return
        text = "\n".join(plain(block, _TRANSCRIPT_COLUMNS, None) for block in thread.blocks())
        if await run_program(self.app, "pager", f"{text}\n") is None:
            self.controller.notify("the pager failed; set PAGER", is_problem=True)

    async def _edit(self) -> None:
        text = await run_program(self.app, "editor", self.composer.text)
        if text is None:
            self.controller.notify("the editor failed; set EDITOR", is_problem=True)
        else:
            self.composer.write(text.rstrip("\n"))

    def _visible(self) -> list[str]:
        screen = self.controller.screen
        conversations = screen.listed.visible(screen.own_id, screen.threads, screen.current_id)
        return [one.conversation_id for one in conversations]
