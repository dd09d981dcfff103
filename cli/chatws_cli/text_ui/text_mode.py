"""The line mode for people: lines out, messages and slash commands in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, get_args

from chatws.client import AgentClient, ClientError, MessageReceived, RequestRefused
from chatws.exit_codes import ExitCode
from chatws.protocol.entities import PresenceChoice
from chatws.protocol.events import ConversationUpdated
from chatws_cli.text_ui import commands
from chatws_cli.text_ui.chat_loop import NOWHERE, ChatLoop
from chatws_cli.text_ui.editor import Changed
from chatws_cli.text_ui.fault_commands import FaultCommands
from chatws_cli.text_ui.renderer import LineKind, OutputLine, TextRenderer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from chatws.client import CustomerClient, SendHandle
    from chatws.protocol.entities import Conversation
    from chatws.protocol.events import Authenticated
    from chatws.protocol.responses import JoinAck
    from chatws_cli.text_ui.chat_loop import ChatOptions
    from chatws_cli.text_ui.editor import LineSubmitted
    from chatws_cli.text_ui.fault_commands import Order
    from chatws_cli.text_ui.input_source import Console

QUEUED_AFTER_S: Final = 1.0
"""A message without an answer for this long is shown as queued; most are stored within milliseconds."""

_OLDER: Final = 20


class TextMode(ChatLoop):
    """Shows a `TextRenderer` and understands what people type."""

    def __init__(self, client: AgentClient | CustomerClient, face: Console, wishes: ChatOptions) -> None:
        super().__init__(client, face, wishes)
        self._view = TextRenderer("")
        self._history = wishes.history
        self._queued_shown: set[str] = set()
        self._marking = False
        self._marked = 0
        self._commands: dict[str, Order] = {
            "list": self._list,
            "join": self._join,
            "claim": self._changes("claim_conversation"),
            "release": self._changes("release_conversation"),
            "resolve": self._changes("resolve_conversation"),
            "reopen": self._changes("reopen_conversation"),
            "handoff": self._handoff,
            "bot": self._changes("assign_bot"),
            "history": self._older,
            "read": self._read,
            "status": self._status,
            "who": self._who,
            **FaultCommands(client, self._tell).orders,
            "help": self._help,
        }

    def show_user(self, user: Authenticated) -> None:
        self._view = TextRenderer(user.user_id)
        self._notice(f"connected as {user.user_name}; /help lists the commands")

    def show_waiting(self) -> None:
        self._notice("no open conversation yet, waiting for the first one")

    async def show_opened(self, ack: JoinAck) -> None:
        messages = []
        if self._history:
            page = await self.client.history(ack.conversation.conversation_id, limit=self._history)
            messages = page.messages
        self._marked = 0
        self.face.show(self._view.open(ack.conversation, messages))
        self._mark()

    def show_happening(self, name: str, happening: object) -> None:
        del name
        if self.client.user is None:
            # The first connection's failure is the command's error, printed once.
            return
        self.face.show(self._view.apply(happening))
        if isinstance(happening, ConversationUpdated):
            self._tell_of_others(happening)
        if isinstance(happening, MessageReceived) and not happening.own:
            self._mark()

    def show_posted(self, pending: SendHandle) -> None:
        if self.client.state == "connected":
            asyncio.get_running_loop().call_later(QUEUED_AFTER_S, self._show_queued, pending)
        else:
            self._show_queued(pending)

    def show_settled(self, pending: SendHandle) -> None:
        was_shown = pending.client_message_id in self._queued_shown
        self._queued_shown.discard(pending.client_message_id)
        if pending.state != "stored":
            problem = "the client was closed" if pending.done.cancelled() else str(pending.done.exception())
            self.face.show(self._view.failed(pending.content, problem))
            return
        ack = pending.done.result()
        self.face.show(self._view.stored(pending.content, ack.seq, ack.timestamp, was_shown=was_shown))

    def show_unsendable(self, content: str, client_message_id: str | None, refusal: RequestRefused) -> None:
        del client_message_id
        self.face.show(self._view.failed(content, refusal.message))

    def show_failure(self, problem: ClientError) -> None:
        text = problem.message if isinstance(problem, RequestRefused) else str(problem)
        if isinstance(problem, RequestRefused) and problem.conversation is not None:
            self.face.show(self._view.apply(ConversationUpdated(conversation=problem.conversation)))
        self._notice(f"that did not work: {text}", LineKind.PROBLEM)

    def show_unsent(self, count: int) -> None:
        if self.client.state != "connected":
            self._notice(f"waiting for the server to store {count} message{'s' if count > 1 else ''}; Ctrl-C gives up")

    async def understand(self, typed: LineSubmitted | Changed) -> None:
        if isinstance(typed, Changed):
            await self._tell_typing(typed.text)
            return
        command = commands.parse(typed.text, is_agent=isinstance(self.client, AgentClient))
        if isinstance(command, commands.Typed):
            if command.name == "quit":
                self.end(ExitCode.DONE)
            else:
                await self._obey(self._commands[command.name](command.argument))
        elif command is not None:
            self._notice(command, LineKind.PROBLEM)
        elif typed.text.strip():
            await self._say(commands.message_of(typed.text))

    async def _obey(self, work: Coroutine[object, object, None]) -> None:
        if self.face.is_interactive:
            self.spawn(work)
        else:
            await self.guarded(work)  # the next line may be for the conversation that this one enters

    async def _say(self, text: str) -> None:
        if self.conversation_id is None:
            self._has_failed = True
            self._notice(NOWHERE, LineKind.PROBLEM)
            return
        await self.send(self.conversation_id, text)

    async def _tell_typing(self, text: str) -> None:
        if self.conversation_id is None:
            return
        if text and (not text.startswith("/") or text.startswith("//")):
            await self.client.send_typing_start(self.conversation_id)
        else:
            await self.client.send_typing_stop(self.conversation_id)

    def _tell_of_others(self, happening: ConversationUpdated) -> None:
        is_open = happening.conversation.conversation_id == self.conversation_id
        wrote = self.inbox.note_message(happening.conversation)
        if wrote and not is_open and self.conversation_id is not None:
            self._notice(wrote)

    def _show_queued(self, pending: SendHandle) -> None:
        if not pending.done.done():
            self._queued_shown.add(pending.client_message_id)
            self.face.show(self._view.queued(pending.content))

    def _mark(self) -> None:
        """Mark what a person has seen as read; one request at a time, the newest position wins."""
        if self.face.is_interactive and not self._marking and self._view.last_seq > self._marked:
            self._marking = True
            self.spawn(self._mark_all())

    async def _mark_all(self) -> None:
        try:
            while self.conversation_id is not None and self._view.last_seq > self._marked:
                self._marked = self._view.last_seq
                await self.client.mark_read(self.conversation_id, self._marked)
        finally:
            self._marking = False

    # Slash commands

    async def _list(self, argument: str) -> None:
        del argument
        for row in self.inbox.listing():
            self._notice(row)

    async def _join(self, argument: str) -> None:
        wanted = self.inbox.find(argument)
        if wanted is None:
            self._notice("say which one: /join N with a number of /list, or /join ID", LineKind.PROBLEM)
        elif self.conversation_id is None and not self._first.done():
            self._first.set_result(wanted)
        else:
            await self.enter(wanted)

    def _changes(self, method: str) -> Order:
        async def change(argument: str) -> None:
            del argument
            conversation = self._view.conversation
            if conversation is None:
                self._notice("there is no conversation yet", LineKind.PROBLEM)
                return
            call: Callable[[str, int], Awaitable[Conversation]] = getattr(self.client, method)
            self._changed(await call(conversation.conversation_id, conversation.version))

        return change

    async def _handoff(self, argument: str) -> None:
        if self.conversation_id is not None:
            self._changed(await self.client.handoff(self.conversation_id, argument or None))

    def _changed(self, conversation: Conversation) -> None:
        self.face.show(self._view.apply(ConversationUpdated(conversation=conversation)))

    async def _older(self, argument: str) -> None:
        del argument
        if self.conversation_id is not None:
            page = await self.client.history(self.conversation_id, before_seq=self._view.first_seq, limit=_OLDER)
            self.face.show(self._view.older(page.messages))

    async def _read(self, argument: str) -> None:
        del argument
        if self.conversation_id is not None and self._view.last_seq:
            mark = await self.client.mark_read(self.conversation_id, self._view.last_seq)
            self._notice(f"everything up to message {mark.seq} is marked as read")

    async def _status(self, argument: str) -> None:
        status: PresenceChoice
        for status in get_args(PresenceChoice):
            if argument == status:
                await self.client.set_presence(status)
                self._notice(f"others see you as {status}")
                return
        self._notice("say which one: /status online, /status away or /status busy", LineKind.PROBLEM)

    async def _who(self, argument: str) -> None:
        del argument
        self.face.show(self._view.presence())

    async def _help(self, argument: str) -> None:
        del argument
        for row in commands.help_lines(is_agent=isinstance(self.client, AgentClient)):
            self._notice(row)

    def _tell(self, text: str, *, is_problem: bool = False) -> None:
        self._notice(text, LineKind.PROBLEM if is_problem else LineKind.NOTICE)

    def _notice(self, text: str, kind: LineKind = LineKind.NOTICE) -> None:
        self.face.show([OutputLine(kind, f"       {text}")])
