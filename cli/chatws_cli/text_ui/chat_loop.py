"""Chat session of the line modes: connect, join a conversation, send the input, wait for the acks."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatws.client import AgentClient, ClientError, ConnectionChange, OutboxFull, RequestRefused
from chatws.exit_codes import ExitCode
from chatws.protocol.events import ConversationUpdated
from chatws.protocol.responses import InboxAck
from chatws.standard_streams import abandon_stdout
from chatws_cli.exit_signals import handle_exit_signals
from chatws_cli.text_ui.inbox import InboxList

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from chatws.client import CustomerClient, SendHandle
    from chatws.protocol.events import Authenticated
    from chatws.protocol.responses import JoinAck, SendAck
    from chatws_cli.text_ui.editor import Changed, LineSubmitted
    from chatws_cli.text_ui.input_source import Console

ACK_TIMEOUT_S = 30.0
"""Time after the end of the input, or after an ack that follows it, to wait for the next ack."""

NO_CONVERSATION = "there is no conversation to write to yet"


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Options of the command line; the loop keeps receiving for ``linger_s`` after the end of the input.

    ``remark`` is shown by the full screen, which hides what was printed before.
    """

    conversation_id: str | None = None
    linger_s: float = 0.0
    history: int = 20
    remark: str = ""


class ChatLoop:
    """Base of the line modes; subclasses format the output and interpret the input.

    It belongs to the running event loop. `run` returns the exit code.
    """

    def __init__(self, client: AgentClient | CustomerClient, console: Console, options: ChatOptions) -> None:
        self.client = client
        self.console = console
        self.conversation_id: str | None = None
        self.inbox = InboxList()
        self._options = options
        self._linger_s = options.linger_s
        """Time to keep receiving after the end of the input; 0 once it has passed."""
        self._exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._first_conversation: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """First conversation, for an agent that has not chosen one."""
        self._pending: set[asyncio.Future[SendAck]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deferred: list[tuple[str, object]] | None = []
        """Events received while a conversation is being opened; otherwise None."""
        self._last_result_s = 0.0  # time of the event loop
        self._has_failed = False

    async def run(self) -> int:
        """Run until the input, a signal or the server ends the session.

        Raises:
            ClientError: the first connection failed, or the conversation could not be joined.
            OSError: standard output takes no more.
        """
        handle_exit_signals(asyncio.get_running_loop(), self.end)
        unsubscribe = self.client.on_event(self._on_event)
        try:
            return await self._run()
        finally:
            unsubscribe()
            for task in self._tasks:
                task.cancel()
            await self.client.disconnect()

    def end(self, code: int) -> None:
        """End the session with an exit code."""
        if not self._exit_code.done():
            self._exit_code.set_result(code)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine concurrently with the input, and show its error."""
        task = asyncio.create_task(self.show_errors_of(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def show_errors_of(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine and show its error."""
        try:
            with self._end_on_output_error():
                await work
        except ClientError as problem:
            with self._end_on_output_error():
                self.show_failure(problem)

    async def send(self, conversation_id: str, content: str, client_message_id: str | None = None) -> None:
        """Queue a message; wait while the outbox is full."""
        while True:
            try:
                pending = self.client.post_message(conversation_id, content, client_message_id=client_message_id)
            except OutboxFull:
                await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
            except RequestRefused as refusal:
                self._has_failed = True
                self.show_rejected(content, client_message_id, refusal)
                return
            else:
                self._track(pending)
                return

    async def enter(self, conversation_id: str) -> None:
        """Switch to a conversation and show it; events received meanwhile are shown afterwards."""
        self._deferred = [] if self._deferred is None else self._deferred
        left, self.conversation_id = self.conversation_id, conversation_id
        if left is not None and left != conversation_id:
            await self.client.leave_conversation(left)
        ack = await self.client.join_conversation(conversation_id)
        await self.show_opened(ack)
        deferred, self._deferred = self._deferred, None
        for name, event in deferred or []:
            self.show_event(name, event)

    # Implemented by subclasses

    def show_user(self, user: Authenticated) -> None:
        """Show the authenticated user."""

    def show_waiting(self) -> None:
        """Show that there is no conversation yet."""

    async def show_opened(self, ack: JoinAck) -> None:
        """Show the joined conversation."""

    def show_event(self, name: str, event: object) -> None:
        """Show an event."""

    def show_posted(self, pending: SendHandle) -> None:
        """Show that a message was queued."""

    def show_result(self, pending: SendHandle) -> None:
        """Show that a message was stored or has failed."""

    def show_rejected(self, content: str, client_message_id: str | None, refusal: RequestRefused) -> None:
        """Show that a message was rejected before it was queued."""

    def show_failure(self, problem: ClientError) -> None:
        """Show that a request failed."""

    def show_pending_count(self, count: int) -> None:
        """Show the number of messages without an ack."""

    async def handle_input(self, typed: LineSubmitted | Changed) -> None:
        """Handle a typed line or a change of it."""

    # Phases of the session

    async def _run(self) -> int:
        await self._run_until_ended(self._connect())
        if self.console.is_interactive:
            # While an agent waits for the first conversation, commands can be typed.
            await self._run_until_ended(self._enter_first(), self._read_input())
        else:
            await self._run_until_ended(self._enter_first())
            await self._run_until_ended(self._read_input())
        return self._exit_code.result()

    async def _connect(self) -> None:
        self.show_user(await self.client.connect())
        if isinstance(self.client, AgentClient) and (
            self._options.conversation_id is None or self.console.is_interactive
        ):
            self.inbox.load((await self.client.subscribe_inbox()).conversations)

    async def _enter_first(self) -> None:
        target = self._options.conversation_id
        if target is None and (newest := self.inbox.newest_open()) is not None:
            target = newest.conversation_id
        if target is None:
            self.show_waiting()
            target = await self._wait_for_first()
        if target is not None:
            await self.enter(target)

    async def _wait_for_first(self) -> str | None:
        """Wait for a conversation; after the end of the input, at most for the linger time."""
        ended = asyncio.create_task(self.console.until_ended())
        try:
            ends: set[asyncio.Future[Any]] = {self._first_conversation, ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if not self._first_conversation.done():
            await asyncio.wait({self._first_conversation}, timeout=self._linger_s)
        if not self._first_conversation.done():
            self._linger_s = 0.0
            self._first_conversation.cancel()  # a /join among the queued lines may still choose one
            return None
        return self._first_conversation.result()

    async def _read_input(self) -> None:
        async for typed in self.console.typed():
            await self.handle_input(typed)
        await self._wait_for_acks()
        if self._linger_s:
            await asyncio.sleep(self._linger_s)
        self.end(int(ExitCode.FAILED if self._has_failed else ExitCode.DONE))

    async def _wait_for_acks(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ACK_TIMEOUT_S)
        if self._pending:
            self.show_pending_count(len(self._pending))
            self._last_result_s = now_s = asyncio.get_running_loop().time()
            # A server that limits the rate takes longer for many messages, but never long for the next one.
            while self._pending and (rest_s := self._last_result_s + ACK_TIMEOUT_S - now_s) > 0:
                await asyncio.wait(self._pending, timeout=rest_s)
                now_s = asyncio.get_running_loop().time()
            self._has_failed = self._has_failed or bool(self._pending)
            # The callbacks of the last acks run in the next iteration of the loop.
            await asyncio.sleep(0)

    async def _run_until_ended(self, *work: Coroutine[object, object, None]) -> None:
        """Run coroutines concurrently until all are done or the session ends."""
        if self._exit_code.done():
            for coroutine in work:
                coroutine.close()
            return
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        together = asyncio.gather(*tasks)
        try:
            ends: list[asyncio.Future[Any]] = [together, self._exit_code]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if together.done():
                together.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, together, return_exceptions=True)

    def _on_event(self, name: str, event: object) -> None:
        if isinstance(event, InboxAck):
            self.inbox.load(event.conversations)
        if self.conversation_id is None:
            self._find_first(event)
        if self._deferred is None or self.conversation_id is None:
            with self._end_on_output_error():
                self.show_event(name, event)
        else:
            self._deferred.append((name, event))
        if isinstance(event, ConnectionChange) and event.state == "disconnected":
            self.end(ExitCode.REFUSED)

    def _find_first(self, event: object) -> None:
        if isinstance(event, ConversationUpdated):
            self.inbox.update(event.conversation)
        newest = self.inbox.newest_open()
        if newest is not None and not self._first_conversation.done():
            self._first_conversation.set_result(newest.conversation_id)

    def _track(self, pending: SendHandle) -> None:
        self._pending.add(pending.done)
        pending.done.add_done_callback(lambda _: self._on_result(pending))
        self.show_posted(pending)

    def _on_result(self, pending: SendHandle) -> None:
        self._pending.discard(pending.done)
        self._last_result_s = asyncio.get_running_loop().time()
        self._has_failed = self._has_failed or pending.state != "stored"
        with self._end_on_output_error():
            self.show_result(pending)

    @contextmanager
    def _end_on_output_error(self) -> Iterator[None]:
        """End the session when standard output takes no more; a callback has no caller to raise to."""
        try:
            yield
        except BrokenPipeError:
            abandon_stdout()
            self.end(int(ExitCode.BROKEN_PIPE))
        except OSError as problem:
            if problem.filename is not None:
                raise
            # A full disk, for example: `run` raises it.
            if not self._exit_code.done():
                self._exit_code.set_exception(problem)
                self._exit_code.exception()  # otherwise asyncio would log it if the session ends by another error
