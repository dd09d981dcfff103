"""Line mode for users: lines of text as output, messages and slash commands as input."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, get_args

from chatws.client import AgentClient, ClientError, MessageReceived, RequestRefused
from chatws.exit_codes import ExitCode
from chatws.protocol.entities import PresenceChoice
from chatws.protocol.events import ConversationUpdated
from chatws.protocol.limits import HISTORY_LIMIT
from chatws_cli.canned_replies import CannedReplies
from chatws_cli.presentation.sanitize import clean_line
from chatws_cli.text_ui import commands
from chatws_cli.text_ui.chat_loop import NO_CONVERSATION, ChatLoop
from chatws_cli.text_ui.editor import Changed
from chatws_cli.text_ui.fault_commands import FaultCommands
from chatws_cli.text_ui.renderer import LineKind, OutputLine, TextRenderer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from chatws.client import CustomerClient, SendHandle
    from chatws.protocol.entities import Conversation, Message
    from chatws.protocol.events import Authenticated
    from chatws.protocol.responses import JoinAck
    from chatws_cli.text_ui.chat_loop import ChatOptions
    from chatws_cli.text_ui.editor import LineSubmitted
    from chatws_cli.text_ui.fault_commands import CommandHandler
    from chatws_cli.text_ui.input_source import Console

QUEUED_AFTER_S: Final = 1.0
"""A message without an ack for this long is shown as queued; most are stored within milliseconds."""

_OLDER: Final = 20
_SHOWN_MATCHES: Final = 20
_SEARCHED_PAGES: Final = 50
"""Bound of a search: 5,000 messages."""


class TextMode(ChatLoop):
    """Chat loop that prints the lines of a `TextRenderer` and handles slash commands."""

    def __init__(self, client: AgentClient | CustomerClient, console: Console, options: ChatOptions) -> None:
        super().__init__(client, console, options)
        self._renderer = TextRenderer("")
        self._history = options.history
        self._queued_shown: set[str] = set()
        self._marking = False
        self._marked = 0
        self._commands: dict[str, CommandHandler] = {
            "list": self._list,
            "join": self._join,
            "claim": self._transition("claim_conversation"),
            "release": self._transition("release_conversation"),
            "resolve": self._transition("resolve_conversation"),
            "reopen": self._transition("reopen_conversation"),
            "handoff": self._handoff,
            "bot": self._transition("assign_bot"),
            "note": self._note,
            "reply": self._reply,
            "history": self._older,
            "search": self._search,
            "read": self._read,
            "status": self._status,
            "who": self._who,
            **FaultCommands(client, self._show_notice).handlers,
            "help": self._help,
        }

    def show_user(self, user: Authenticated) -> None:
        self._renderer = TextRenderer(user.user_id)
        self._notice(f"connected as {user.user_name}; /help lists the commands")

    def show_waiting(self) -> None:
        self._notice("no open conversation yet, waiting for the first one")

    async def show_opened(self, ack: JoinAck) -> None:
        messages = []
        if self._history:
            page = await self.client.history(ack.conversation.conversation_id, limit=self._history)
            messages = page.messages
        self._marked = 0
        self.console.show(self._renderer.open(ack.conversation, messages))
        if isinstance(self.client, AgentClient):
            for note in await self.client.notes(ack.conversation.conversation_id):
                self.console.show(self._renderer.apply(note))
        self._mark_as_read()

    def show_event(self, name: str, event: object) -> None:
        del name
        if self.client.user is None:
            # A failure of the first connection is printed once, as the error of the command.
            return
        self.console.show(self._renderer.apply(event))
        if isinstance(event, ConversationUpdated):
            self._show_other_conversation(event)
        if isinstance(event, MessageReceived) and not event.own:
            self._mark_as_read()

    def show_posted(self, pending: SendHandle) -> None:
        if self.client.state == "connected":
            asyncio.get_running_loop().call_later(QUEUED_AFTER_S, self._show_queued, pending)
        else:
            self._show_queued(pending)

    def show_result(self, pending: SendHandle) -> None:
        was_shown = pending.client_message_id in self._queued_shown
        self._queued_shown.discard(pending.client_message_id)
        if pending.state != "stored":
            problem = "the client was closed" if pending.done.cancelled() else str(pending.done.exception())
            render = self._renderer.unknown if pending.is_outcome_unknown else self._renderer.failed
            self.console.show(render(pending.content, problem))
            return
        ack = pending.done.result()
        self.console.show(self._renderer.stored(pending.content, ack.seq, ack.timestamp, was_shown=was_shown))

    def show_rejected(self, content: str, client_message_id: str | None, refusal: RequestRefused) -> None:
        del client_message_id
        self.console.show(self._renderer.failed(content, refusal.message))

    def show_failure(self, problem: ClientError) -> None:
        text = problem.message if isinstance(problem, RequestRefused) else str(problem)
        if isinstance(problem, RequestRefused) and problem.conversation is not None:
            self.console.show(self._renderer.apply(ConversationUpdated(conversation=problem.conversation)))
        self._notice(f"that did not work: {text}", LineKind.PROBLEM)

    def show_pending_count(self, count: int) -> None:
        if self.client.state != "connected":
            self._notice(f"waiting for the server to store {count} message{'s' if count > 1 else ''}; Ctrl-C gives up")

    async def handle_input(self, typed: LineSubmitted | Changed) -> None:
        if isinstance(typed, Changed):
            await self._send_typing(typed.text)
            return
        command = commands.parse(typed.text, is_agent=isinstance(self.client, AgentClient))
        if isinstance(command, commands.Typed):
            if command.name == "quit":
                self.end(ExitCode.DONE)
            else:
                await self._run_command(self._commands[command.name](command.argument))
        elif command is not None:
            self._notice(command, LineKind.PROBLEM)
        elif typed.text.strip():
            await self._send_text(commands.message_of(typed.text))

    async def _run_command(self, work: Coroutine[object, object, None]) -> None:
        if self.console.is_interactive:
            self.spawn(work)
        else:
            await self.show_errors_of(
                work
            )  # the next line may be a message to the conversation that this command joins

    async def _send_text(self, text: str) -> None:
        if self.conversation_id is None:
            self._has_failed = True
            self._notice(NO_CONVERSATION, LineKind.PROBLEM)
            return
        await self.send(self.conversation_id, text)

    async def _send_typing(self, text: str) -> None:
        if self.conversation_id is None:
            return
        if text and (not text.startswith("/") or text.startswith("//")):
            await self.client.send_typing_start(self.conversation_id)
        else:
            await self.client.send_typing_stop(self.conversation_id)

    def _show_other_conversation(self, event: ConversationUpdated) -> None:
        is_open = event.conversation.conversation_id == self.conversation_id
        notice = self.inbox.note_message(event.conversation)
        if notice and not is_open and self.conversation_id is not None:
            self._notice(notice)

    def _show_queued(self, pending: SendHandle) -> None:
        if not pending.done.done():
            self._queued_shown.add(pending.client_message_id)
            self.console.show(self._renderer.queued(pending.content))

    def _mark_as_read(self) -> None:
        """Mark all shown messages as read; one request at a time, for the newest position."""
        if self.console.is_interactive and not self._marking and self._renderer.last_seq > self._marked:
            self._marking = True
            self.spawn(self._send_read_marks())

    async def _send_read_marks(self) -> None:
        try:
            while self.conversation_id is not None and self._renderer.last_seq > self._marked:
                self._marked = self._renderer.last_seq
                await self.client.mark_read(self.conversation_id, self._marked)
        finally:
            self._marking = False

    # Slash commands

    async def _list(self, argument: str) -> None:
        del argument
        for row in self.inbox.listing():
            self._notice(row)

    async def _join(self, argument: str) -> None:
        target = self.inbox.find(argument)
        if target is None:
            self._notice("choose one: /join N with a number of /list, or /join ID", LineKind.PROBLEM)
        elif self.conversation_id is None and not self._first_conversation.done():
            self._first_conversation.set_result(target)
        else:
            await self.enter(target)

    def _transition(self, method: str) -> CommandHandler:
        async def change(argument: str) -> None:
            del argument
            conversation = self._renderer.conversation
            if conversation is None:
                self._notice("there is no conversation yet", LineKind.PROBLEM)
                return
            call: Callable[[str, int], Awaitable[Conversation]] = getattr(self.client, method)
            self._show_conversation(await call(conversation.conversation_id, conversation.version))

        return change

    async def _handoff(self, argument: str) -> None:
        if self.conversation_id is not None:
            self._show_conversation(await self.client.handoff(self.conversation_id, argument or None))

    def _show_conversation(self, conversation: Conversation) -> None:
        self.console.show(self._renderer.apply(ConversationUpdated(conversation=conversation)))

    async def _older(self, argument: str) -> None:
        del argument
        if self.conversation_id is not None:
            page = await self.client.history(self.conversation_id, before_seq=self._renderer.first_seq, limit=_OLDER)
            self.console.show(self._renderer.older(page.messages))

    async def _note(self, argument: str) -> None:
        if self.conversation_id is None or not argument:
            self._notice("give a text: /note TEXT", LineKind.PROBLEM)
        elif isinstance(self.client, AgentClient):
            self.console.show(self._renderer.apply(await self.client.add_note(self.conversation_id, argument)))

    async def _reply(self, argument: str) -> None:
        """Send a canned reply, or list their names."""
        conversation = self._renderer.conversation
        if conversation is None or not isinstance(self.client, AgentClient):
            self._notice(NO_CONVERSATION, LineKind.PROBLEM)
            return
        replies = CannedReplies(self.client)
        problem = await replies.load()
        if problem is not None:
            self._notice(problem, LineKind.PROBLEM)
        text = replies.text(argument, clean_line(conversation.customer.user_name))
        if text is not None:
            await self._send_text(text)
        else:
            names = ", ".join(replies.names()) or "none; see docs/clients.md"
            self._notice(f"canned replies: {names}", LineKind.PROBLEM if argument else LineKind.NOTICE)

    async def _search(self, argument: str) -> None:
        """Show the newest messages that contain a text."""
        key, before_seq = self.conversation_id, None
        if key is None or not argument:
            self._notice("give a text: /search TEXT", LineKind.PROBLEM)
            return
        found: list[Message] = []
        for _ in range(_SEARCHED_PAGES):
            page = await self.client.history(key, before_seq=before_seq, limit=HISTORY_LIMIT)
            found = [one for one in page.messages if argument.casefold() in one.content.casefold()] + found
            if len(found) >= _SHOWN_MATCHES or not page.has_more_before or not page.messages:
                break
            before_seq = page.messages[0].seq
        self.console.show(self._renderer.matches(argument, found[-_SHOWN_MATCHES:]))

    async def _read(self, argument: str) -> None:
        del argument
        if self.conversation_id is not None and self._renderer.last_seq:
            mark = await self.client.mark_read(self.conversation_id, self._renderer.last_seq)
            self._notice(f"everything up to message {mark.seq} is marked as read")

    async def _status(self, argument: str) -> None:
        status: PresenceChoice
        for status in get_args(PresenceChoice):
            if argument == status:
                await self.client.set_presence(status)
                self._notice(f"others see you as {status}")
                return
        self._notice("choose one: /status online, /status away or /status busy", LineKind.PROBLEM)

    async def _who(self, argument: str) -> None:
        del argument
        self.console.show(self._renderer.presence())

    async def _help(self, argument: str) -> None:
        del argument
        for row in commands.help_lines(is_agent=isinstance(self.client, AgentClient)):
            self._notice(row)

    def _show_notice(self, text: str, *, is_problem: bool = False) -> None:
        self._notice(text, LineKind.PROBLEM if is_problem else LineKind.NOTICE)

    def _notice(self, text: str, kind: LineKind = LineKind.NOTICE) -> None:
        self.console.show([OutputLine(kind, f"       {text}")])
