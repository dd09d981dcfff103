"""One stay in the chat: connect, enter a conversation, send what is typed, end with nothing left unsent."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatws.client import AgentClient, ClientError, ConnectionChange, OutboxFull, RequestRefused
from chatws.exit_codes import ExitCode
from chatws.protocol.events import ConversationUpdated
from chatws.protocol.responses import InboxAck
from chatws_cli.output import abandon_stdout
from chatws_cli.text_ui.inbox import InboxList

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from chatws.client import CustomerClient, SendHandle
    from chatws.protocol.events import Authenticated
    from chatws.protocol.responses import JoinAck, SendAck
    from chatws_cli.text_ui.editor import Changed, LineSubmitted
    from chatws_cli.text_ui.input_source import Console

ACK_PATIENCE_S = 30.0
"""How long the end of the input waits for messages that are not stored yet."""

NOWHERE = "there is no conversation to write to yet"

_SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.HUNG_UP}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What the command line asks for; ``linger_s`` goes on listening that long after the input's end."""

    conversation_id: str | None = None
    linger_s: float = 0.0
    history: int = 20


class ChatLoop:
    """The course of a stay; subclasses decide what is shown and what typed lines mean.

    Everything runs on one event loop. `run` returns the exit code.
    """

    def __init__(self, client: AgentClient | CustomerClient, face: Console, wishes: ChatOptions) -> None:
        self.client = client
        self.face = face
        self.conversation_id: str | None = None
        self.inbox = InboxList()
        self._wishes = wishes
        self._linger_s = wishes.linger_s
        """How long is listened after the end of the input; 0 once it has been."""
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._first: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The conversation an agent without a wish waits for."""
        self._pending: set[asyncio.Future[SendAck]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[tuple[str, object]] | None = []
        """What happened while a conversation is being opened; None when it is shown at once."""
        self._has_failed = False

    async def run(self) -> int:
        """Stay until the input, a signal or the server ends it.

        Raises:
            ClientError: the first connection could not be made, or the conversation not be entered.
        """
        loop = asyncio.get_running_loop()
        for number, code in _SIGNALS.items():
            loop.add_signal_handler(number, self.end, int(code))
        stop_listening = self.client.on_event(self._heard)
        try:
            return await self._stay()
        finally:
            stop_listening()
            for task in self._tasks:
                task.cancel()
            await self.client.disconnect()

    def end(self, code: int) -> None:
        """End the stay."""
        if not self._over.done():
            self._over.set_result(code)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run something beside the input; its failure is shown."""
        task = asyncio.create_task(self.guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def guarded(self, work: Coroutine[object, object, None]) -> None:
        """Run something; its failure is shown."""
        try:
            with self._writing():
                await work
        except ClientError as problem:
            with self._writing():
                self.show_failure(problem)

    async def send(self, conversation_id: str, content: str, client_message_id: str | None = None) -> None:
        """Queue a message, waiting while the outbox is full."""
        while True:
            try:
                pending = self.client.post_message(conversation_id, content, client_message_id=client_message_id)
            except OutboxFull:
                await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
            except RequestRefused as refusal:
                self._has_failed = True
                self.show_unsendable(content, client_message_id, refusal)
                return
            else:
                self._watch(pending)
                return

    async def enter(self, conversation_id: str) -> None:
        """Go to a conversation and show it; what happens meanwhile is shown after that."""
        self._held = [] if self._held is None else self._held
        left, self.conversation_id = self.conversation_id, conversation_id
        if left is not None and left != conversation_id:
            await self.client.leave_conversation(left)
        ack = await self.client.join_conversation(conversation_id)
        await self.show_opened(ack)
        held, self._held = self._held, None
        for name, happening in held or []:
            self.show_happening(name, happening)

    # What subclasses show and understand

    def show_user(self, user: Authenticated) -> None:
        """Show who we are."""

    def show_waiting(self) -> None:
        """Show that there is no conversation yet."""

    async def show_opened(self, ack: JoinAck) -> None:
        """Show the conversation that was entered."""

    def show_happening(self, name: str, happening: object) -> None:
        """Show what happened."""

    def show_posted(self, pending: SendHandle) -> None:
        """Show that a message is on its way."""

    def show_settled(self, pending: SendHandle) -> None:
        """Show what has become of a message."""

    def show_unsendable(self, content: str, client_message_id: str | None, refusal: RequestRefused) -> None:
        """Show that a message can not be sent at all."""

    def show_failure(self, problem: ClientError) -> None:
        """Show that a request failed."""

    def show_unsent(self, count: int) -> None:
        """Show how many messages are still on their way."""

    async def understand(self, typed: LineSubmitted | Changed) -> None:
        """Do what was typed."""

    # The course

    async def _stay(self) -> int:
        await self._until_over(self._connect())
        if self.face.is_interactive:
            # Somebody who waits for the first conversation can type meanwhile.
            await self._until_over(self._enter_first(), self._read_input())
        else:
            await self._until_over(self._enter_first())
            await self._until_over(self._read_input())
        return self._over.result()

    async def _connect(self) -> None:
        self.show_user(await self.client.connect())
        if isinstance(self.client, AgentClient) and (self._wishes.conversation_id is None or self.face.is_interactive):
            self.inbox.load((await self.client.subscribe_inbox()).conversations)

    async def _enter_first(self) -> None:
        wanted = self._wishes.conversation_id
        if wanted is None and (newest := self.inbox.newest_open()) is not None:
            wanted = newest.conversation_id
        if wanted is None:
            self.show_waiting()
            wanted = await self._first_to_come()
        if wanted is not None:
            await self.enter(wanted)

    async def _first_to_come(self) -> str | None:
        """Wait for a conversation; once the input has ended, no longer than is listened then."""
        ended = asyncio.create_task(self.face.until_ended())
        try:
            ends: set[asyncio.Future[Any]] = {self._first, ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not self._first.done():
            await asyncio.wait({self._first}, timeout=self._linger_s)
        if not self._first.done():
            self._linger_s = 0.0
            self._first.cancel()  # what was typed may still enter one
            return None
        return self._first.result()

    async def _read_input(self) -> None:
        async for typed in self.face.typed():
            await self.understand(typed)
        await self._wait_for_acks()
        if self._linger_s:
            await asyncio.sleep(self._linger_s)
        self.end(int(ExitCode.FAILED if self._has_failed else ExitCode.DONE))

    async def _wait_for_acks(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ACK_PATIENCE_S)
        if self._pending:
            self.show_unsent(len(self._pending))
            _, unsent = await asyncio.wait(self._pending, timeout=ACK_PATIENCE_S)
            self._has_failed = self._has_failed or bool(unsent)
            # The callbacks of the last acks run in the loop's next turn.
            await asyncio.sleep(0)

    async def _until_over(self, *work: Coroutine[object, object, None]) -> None:
        """Do all of this at once, unless the stay ends first."""
        if self._over.done():
            for one in work:
                one.close()
            return
        tasks = [asyncio.create_task(one) for one in work]
        together = asyncio.gather(*tasks)
        try:
            ends: list[asyncio.Future[Any]] = [together, self._over]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if together.done():
                together.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, together, return_exceptions=True)

    def _heard(self, name: str, happening: object) -> None:
        if isinstance(happening, InboxAck):
            self.inbox.load(happening.conversations)
        if self.conversation_id is None:
            self._look_for_first(happening)
        if self._held is None or self.conversation_id is None:
            with self._writing():
                self.show_happening(name, happening)
        else:
            self._held.append((name, happening))
        if isinstance(happening, ConnectionChange) and happening.state == "disconnected":
            self.end(ExitCode.REFUSED)

    def _look_for_first(self, happening: object) -> None:
        if isinstance(happening, ConversationUpdated):
            self.inbox.update(happening.conversation)
        newest = self.inbox.newest_open()
        if newest is not None and not self._first.done():
            self._first.set_result(newest.conversation_id)

    def _watch(self, pending: SendHandle) -> None:
        self._pending.add(pending.done)
        pending.done.add_done_callback(lambda _: self._settled(pending))
        self.show_posted(pending)

    def _settled(self, pending: SendHandle) -> None:
        self._pending.discard(pending.done)
        self._has_failed = self._has_failed or pending.state != "stored"
        with self._writing():
            self.show_settled(pending)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """End the stay when nobody reads any more; in a callback nobody else would hear of it."""
        try:
            yield
        except BrokenPipeError:
            abandon_stdout()
            self.end(int(ExitCode.FAILED))
