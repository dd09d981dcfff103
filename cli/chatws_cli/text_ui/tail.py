"""Read-only view of a conversation or the inbox, as lines of text or JSON objects."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from chatws.client import AgentClient, ConnectionChange, Event, MessageReceived
from chatws.exit_codes import ExitCode
from chatws.protocol.events import ConversationUpdated
from chatws.standard_streams import abandon_stdout
from chatws_cli.exit_signals import handle_exit_signals
from chatws_cli.output import print_json, watch_stdout_reader
from chatws_cli.presentation.sanitize import clean_line, excerpt
from chatws_cli.text_ui.json_records import ack_of, record_of
from chatws_cli.text_ui.renderer import TextRenderer

if TYPE_CHECKING:
    from chatws.client import CustomerClient
    from chatws.protocol.entities import Conversation
    from chatws_cli.text_ui.renderer import OutputLine


class TailOptions(NamedTuple):
    """Options of `TailLoop`; it ends after ``limit`` messages or changes, None: never."""

    conversation_id: str | None
    history: int
    limit: int | None
    as_json: bool


class TailLoop:
    """Chat session that only receives, and sends no read marks. `run` returns the exit code."""

    def __init__(self, client: AgentClient | CustomerClient, options: TailOptions, own: str | None) -> None:
        self._client = client
        self._options = options
        self._conversation_id = options.conversation_id or own
        self._renderer: TextRenderer | None = None
        self._deferred: list[tuple[str, object]] = []
        """Events received before the conversation or the inbox is shown."""
        self._count = 0
        self._exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Run until the limit, a signal or the server ends it.

        Raises:
            ClientError: the first connection failed, or the conversation could not be joined.
        """
        handle_exit_signals(asyncio.get_running_loop(), self._end)
        watch_stdout_reader(asyncio.get_running_loop(), self._abandon_output)
        self._client.on_event(self._on_event)
        async with self._client:
            await self._begin()
            return await self._exit_code

    async def _begin(self) -> None:
        user = self._client.user
        assert user is not None
        renderer = TextRenderer(user.user_id)
        if self._conversation_id is not None:
            ack = await self._client.join_conversation(self._conversation_id)
            page = await self._client.history(self._conversation_id, limit=max(1, self._options.history))
            messages = page.messages if self._options.history else []
            if self._options.as_json and messages:
                print_json(ack_of("history", page))
            lines = renderer.open(ack.conversation, messages)
            if not self._options.as_json:
                _print(lines)
        elif isinstance(self._client, AgentClient):
            inbox = await self._client.subscribe_inbox()
            for conversation in reversed(inbox.conversations[: self._options.history]):
                self._print_inbox(conversation)
        self._renderer = renderer
        deferred, self._deferred = self._deferred, []
        for name, event in deferred:
            self._show(name, event)

    def _on_event(self, name: str, event: object) -> None:
        if self._renderer is None:
            self._deferred.append((name, event))
        else:
            self._show(name, event)
        if isinstance(event, ConnectionChange) and event.state == "disconnected":
            self._end(int(ExitCode.REFUSED))

    def _show(self, name: str, event: object) -> None:
        assert self._renderer is not None
        if self._exit_code.done():
            return
        try:
            if self._options.as_json:
                print_json(record_of(name, event))
            elif self._conversation_id is not None:
                _print(self._renderer.apply(event))
            elif isinstance(event, ConversationUpdated):
                self._print_inbox(event.conversation)
        except BrokenPipeError:
            self._abandon_output()
        counted = ConversationUpdated if self._conversation_id is None else MessageReceived
        self._count += isinstance(event, counted)
        if self._options.limit is not None and self._count >= self._options.limit:
            self._end(int(ExitCode.DONE))

    def _print_inbox(self, conversation: Conversation) -> None:
        if self._options.as_json:
            print_json(record_of(Event.CONVERSATION_UPDATED, ConversationUpdated(conversation=conversation)))
        else:
            print(inbox_line(conversation), flush=True)

    def _abandon_output(self) -> None:
        abandon_stdout()
        self._end(int(ExitCode.BROKEN_PIPE))

    def _end(self, code: int) -> None:
        if not self._exit_code.done():
            self._exit_code.set_result(code)


def inbox_line(conversation: Conversation) -> str:
    """Return the line about a changed conversation of the inbox."""
    moment = datetime.fromisoformat(conversation.updated_at).astimezone()
    owner = "" if conversation.assignee is None else f" by {clean_line(conversation.assignee.user_name)}"
    newest = "" if conversation.last_message is None else f": {excerpt(conversation.last_message.content)}"
    name = clean_line(conversation.customer.user_name)
    return f"{moment:%H:%M}  {name}, {conversation.status}{owner}{newest}  [{conversation.conversation_id}]"


def _print(lines: list[OutputLine]) -> None:
    if lines:
        print("\n".join(line.text for line in lines), flush=True)
