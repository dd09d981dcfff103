"""Runs slash commands, whether typed or started by a key or the command palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, get_args

from chatws.exit_codes import ExitCode
from chatws.protocol.entities import PresenceChoice
from chatws_cli.presentation.users import DOTS
from chatws_cli.screen.conversation_list import FILTERS
from chatws_cli.screen.themes import THEME_NAMES
from chatws_cli.text_ui.fault_commands import FaultCommands

if TYPE_CHECKING:
    from chatws_cli.screen.themes import ThemeName
    from chatws_cli.text_ui.fault_commands import CommandHandler
    from chatws_cli.tui.controller import ChatController


class CommandView(Protocol):
    """View of a conversation, as far as commands need it."""

    def show_page(self, name: str) -> None:
        """Show ``help`` or ``transcript``."""

    def insert(self, text: str) -> None:
        """Replace the text being written."""

    def use_theme(self, name: ThemeName) -> None:
        """Change the colours until the end of the program."""


class CommandDispatcher:
    """One method per command; ``view`` shows what is not part of the state."""

    def __init__(self, controller: ChatController, view: CommandView) -> None:
        self._controller = controller
        self._view = view
        self._by_name: dict[str, CommandHandler] = {
            "list": self._list,
            "find": self._find,
            "join": self._join,
            "leave": self._leave,
            **{name: self._change(name) for name in ("claim", "release", "resolve", "reopen", "bot")},
            "handoff": self._handoff,
            "note": self._note,
            "reply": self._reply,
            "history": self._history,
            "read": self._read,
            "search": self._search,
            "status": self._status,
            "who": self._who,
            "retry": self._retry,
            **FaultCommands(controller.client, controller.notify).handlers,
            "transcript": self._open("transcript"),
            "theme": self._theme,
            "help": self._open("help"),
            "quit": self._quit,
        }

    def run(self, name: str, argument: str = "") -> None:
        """Run a command; its error is shown on the screen."""
        self._controller.spawn(self._by_name[name](argument))

    def _open(self, page: str) -> CommandHandler:
        async def open_it(argument: str) -> None:
            del argument
            self._view.show_page(page)

        return open_it

    def _change(self, name: str) -> CommandHandler:
        async def change(argument: str) -> None:
            del argument
            await self._controller.change(name)

        return change

    async def _list(self, argument: str) -> None:
        listed = self._controller.screen.listed
        for one in FILTERS:
            if argument == one:
                listed.filter = one
        self._controller.notify(
            f"the list shows: {listed.filter}" if argument in {"", *FILTERS} else f"no list {argument!r}"
        )

    async def _find(self, argument: str) -> None:
        self._controller.screen.listed.name_part = argument
        self._controller.on_change()

    async def _join(self, argument: str) -> None:
        screen = self._controller.screen
        visible = screen.listed.visible(screen.own_id, screen.threads, screen.current_id)
        if argument.isdigit() and 1 <= int(argument) <= len(visible):
            argument = visible[int(argument) - 1].conversation_id
        if argument:
            await self._controller.open(argument)
        else:
            self._controller.notify("choose one: /join N with its position in the list, or /join ID", is_problem=True)

    async def _leave(self, argument: str) -> None:
        del argument
        await self._controller.leave()

    async def _handoff(self, argument: str) -> None:
        key = self._controller.screen.current_id
        if key is not None:
            self._controller.update_conversation(await self._controller.client.handoff(key, argument or None))

    async def _history(self, argument: str) -> None:
        del argument
        await self._controller.load_older()

    async def _note(self, argument: str) -> None:
        if self._controller.notes is not None:
            await self._controller.notes.add(argument)

    async def _reply(self, argument: str) -> None:
        replies, thread = self._controller.replies, self._controller.screen.current
        if replies is None or thread is None:
            return
        problem = await replies.load()
        if problem is not None:
            self._controller.notify(problem, is_problem=True)
        text = replies.text(argument, self._controller.screen.users.add(thread.conversation.customer))
        if text is not None:
            self._view.insert(text)
        else:
            names = ", ".join(replies.names()) or "none; see docs/clients.md"
            self._controller.notify(f"canned replies: {names}", is_problem=bool(argument))

    async def _search(self, argument: str) -> None:
        await self._controller.searcher.start(argument)

    async def _read(self, argument: str) -> None:
        del argument
        thread, key = self._controller.screen.current, self._controller.screen.current_id
        if thread is not None and key is not None and thread.last_seq:
            mark = await self._controller.client.mark_read(key, thread.last_seq)
            thread.own_mark = mark.seq
            thread.new_after = None
            self._controller.on_change()

    async def _status(self, argument: str) -> None:
        status: PresenceChoice
        for status in get_args(PresenceChoice):
            if argument == status:
                await self._controller.client.set_presence(status)
                self._controller.notify(f"others see you as {status}")
                return
        self._controller.notify("choose one: /status online, /status away or /status busy", is_problem=True)

    async def _who(self, argument: str) -> None:
        del argument
        thread, users = self._controller.screen.current, self._controller.screen.users
        if thread is None:
            return
        for user in (thread.conversation.customer, thread.conversation.assignee):
            if user is None:
                continue
            presence = users.presence(user.user_id)
            self._controller.notify(f"{DOTS[presence]} {users.label(user)}: {presence}")

    async def _retry(self, argument: str) -> None:
        del argument
        self._controller.retry()

    async def _theme(self, argument: str) -> None:
        name = next((one for one in THEME_NAMES if one == argument), None)
        if name is None:
            self._controller.notify(f"choose one: /theme {', '.join(THEME_NAMES)}", is_problem=bool(argument))
        else:
            self._view.use_theme(name)

    async def _quit(self, argument: str) -> None:
        del argument
        self._controller.end(int(ExitCode.DONE))
