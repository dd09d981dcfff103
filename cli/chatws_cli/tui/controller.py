"""Controller of the full screen: connects, joins conversations and sends messages, independent of widgets."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from chatws.client import (
    AgentClient,
    ClientError,
    ConnectionChange,
    ConnectionRejected,
    ConversationJoined,
    OutboxFull,
    RequestRefused,
)
from chatws.exit_codes import ExitCode
from chatws.protocol.events import ConversationUpdated
from chatws.protocol.ids import new_id
from chatws.protocol.responses import InboxAck
from chatws_cli.canned_replies import CannedReplies
from chatws_cli.errors import CommandError
from chatws_cli.outbox_file import OutboxFile, SavedMessage, outbox_path
from chatws_cli.screen.state import ScreenState
from chatws_cli.tui.note_requests import NoteRequests
from chatws_cli.tui.searcher import Searcher

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from chatws.client import CustomerClient, SendHandle
    from chatws.protocol.entities import Conversation

MAX_FOLLOWED: Final = 20
"""Open conversations an agent joins besides the current one, for live typing states, unread counts and messages.

A socket may join 50 rooms (contract)."""

_PAGE: Final = 100


class ChatController:
    """Chat session of one user, on the running event loop; ``on_change`` is called after each change of the state.

    The future ``ended`` holds the exit code, or the error that ended the session.
    """

    def __init__(
        self,
        client: AgentClient | CustomerClient,
        conversation_id: str | None,
        data_dir: Path,
        server: str,
        welcome: str = "",
    ) -> None:
        self.client = client
        self.screen = ScreenState("admin" if isinstance(client, AgentClient) else "customer")
        self.on_change: Callable[[], None] = lambda: None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.searcher = Searcher(self.screen, self.load_older)
        self.notes = NoteRequests(client, self.screen) if isinstance(client, AgentClient) else None
        self.replies = CannedReplies(client) if isinstance(client, AgentClient) else None
        """Both are None for a customer."""
        self._welcome = welcome
        """Notice shown once the first conversation is open."""
        self._conversation_id = conversation_id
        self._data_dir = data_dir
        self._server = server
        self._outbox: OutboxFile | None = None
        self._pending: dict[str, SendHandle] = {}
        self._joining: dict[str, asyncio.Future[None]] = {}
        """Conversations being joined; each future is done when the state contains the conversation."""
        self._loading: set[str] = set()
        self._marking: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe = client.on_event(self._on_event)

    @property
    def is_agent(self) -> bool:
        """Whether the user is an agent."""
        return isinstance(self.client, AgentClient)

    def begin(self) -> None:
        """Start connecting; the first conversation is opened afterwards."""
        self.spawn(self._begin(), is_vital=True)

    async def close(self) -> None:
        """Disconnect; messages that are not stored remain in the outbox file."""
        self._unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.disconnect()
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    def end(self, result: int | Exception) -> None:
        """End the session with an exit code or an error; later calls have no effect."""
        if self.ended.done():
            return
        if isinstance(result, Exception):
            self.ended.set_exception(result)
        else:
            self.ended.set_result(result)

    def spawn(self, work: Coroutine[object, object, None], *, is_vital: bool = False) -> None:
        """Run a coroutine concurrently; its error is shown, and ends the session if ``is_vital``."""
        task = asyncio.create_task(self._run_guarded(work, is_vital=is_vital))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def notify(self, text: str, *, is_problem: bool = False) -> None:
        """Show a notice."""
        self.screen.notify(text, is_problem=is_problem)
        self.on_change()

    # Conversations

    async def open(self, conversation_id: str) -> None:
        """Show a conversation; join it and load its history if needed.

        Raises:
            ClientError: the server refused the join.
        """
        await self._join(conversation_id)
        self.screen.open(conversation_id)
        self.on_change()
        if not self.screen.threads[conversation_id].is_loaded:
            await self.load_older()
            if self.notes is not None:
                await self.notes.load(conversation_id)
        self.mark_read()

    async def load_older(self) -> None:
        """Load a page of the open conversation's history, unless a page is being loaded.

        Raises:
            ClientError: the server refused.
        """
        thread, key = self.screen.current, self.screen.current_id
        if thread is None or key is None or key in self._loading or (thread.is_loaded and not thread.can_load_older):
            return
        self._loading.add(key)
        try:
            page = await self.client.history(
                key, before_seq=thread.first_seq if thread.is_loaded else None, limit=_PAGE
            )
        finally:
            self._loading.discard(key)
        self.screen.load(key, page.messages, has_more_before=page.has_more_before)
        self.on_change()

    async def leave(self) -> None:
        """Leave the open conversation and show another one."""
        left = self.screen.current_id
        thread = self.screen.current
        if left is None or thread is None:
            return
        if thread.queued:
            self.notify("messages are still on their way; leave when they are stored", is_problem=True)
            return
        await self._leave_conversation(left)
        self.screen.current_id = None
        visible = self.screen.listed.visible(self.screen.own_id, self.screen.threads, None)
        following = next((one.conversation_id for one in visible if one.conversation_id != left), None)
        if following is not None:
            await self.open(following)
        self.on_change()

    def mark_read(self) -> None:
        """Send the read mark; one request at a time per conversation, for the newest position."""
        thread, key = self.screen.current, self.screen.current_id
        if thread is None or key is None or not self.screen.is_newest_visible or key in self._marking:
            return
        if thread.is_loaded and thread.last_seq > thread.own_mark:
            self._marking.add(key)
            self.spawn(self._mark(key))

    async def change(self, method: str) -> None:
        """Claim, release, resolve or reopen the open conversation, or assign it to the bot.

        Raises:
            ClientError: the server refused; after a conflict the current state is shown.
        """
        thread = self.screen.current
        if thread is None or not isinstance(self.client, AgentClient):
            self.notify("there is no conversation yet", is_problem=True)
            return
        calls = {
            "claim": self.client.claim_conversation,
            "release": self.client.release_conversation,
            "resolve": self.client.resolve_conversation,
            "reopen": self.client.reopen_conversation,
            "bot": self.client.assign_bot,
        }
        self.update_conversation(await calls[method](thread.conversation.conversation_id, thread.conversation.version))

    def update_conversation(self, conversation: Conversation) -> None:
        """Apply the conversation of a response."""
        self.screen.apply(ConversationUpdated(conversation=conversation), time.monotonic())
        self.on_change()

    # Messages

    def send(self, content: str) -> bool:
        """Queue a message for the open conversation; on failure show the reason and return False."""
        key = self.screen.current_id
        if key is None:
            self.notify("there is no conversation to write to yet", is_problem=True)
            return False
        return self._post(SavedMessage(new_id(time.time_ns() // 1_000_000), key, content))

    def retry(self) -> None:
        """Send the refused messages of the open conversation again, with new ids."""
        failed = [] if self.screen.current is None else self.screen.current.take_failed()
        if not failed:
            self.notify("no message has failed here")
        for entry in failed:
            self.send(entry.text)

    async def typing(self, *, is_typing: bool) -> None:
        """Send the typing state; the SDK limits and repeats it as needed."""
        key = self.screen.current_id
        if key is not None and is_typing:
            await self.client.send_typing_start(key)
        elif key is not None:
            await self.client.send_typing_stop(key)

    def refresh(self) -> None:
        """Poll the states that cause no event: messages handed to the socket, and the latency."""
        for key, pending in self._pending.items():
            if pending.state in {"queued", "sent"}:
                self.screen.threads[pending.conversation_id].set_state(key, pending.state)
        self.screen.connection.latency_s = self.client.stats().ack_latency_p50_s

    # Internals

    async def _begin(self) -> None:
        user = await self.client.connect()
        self.screen.apply(user, time.monotonic())
        self._outbox = OutboxFile(outbox_path(self._data_dir, self._server, user.user_id))
        if isinstance(self.client, AgentClient):
            self.screen.apply(await self.client.subscribe_inbox(), time.monotonic())
        if self.replies is not None:
            await self.replies.load()  # for completion; `/reply` reports a problem
        self.on_change()
        await self._restore()
        newest = self.screen.conversations.newest_open()
        first_id = self._conversation_id or (None if newest is None else newest.conversation_id)
        if first_id is None:
            self.notify("no open conversation yet, waiting for the first one")
        else:
            await self.open(first_id)
            if self._welcome:
                self.notify(self._welcome)
        self._follow_newest()

    async def _restore(self) -> None:
        assert self._outbox is not None
        for saved in self._outbox.waiting():
            try:
                await self._join(saved.conversation_id)
            except RequestRefused as refusal:
                self.notify(f"a message saved earlier cannot be sent: {refusal.message}", is_problem=True)
            else:
                self._post(saved)

    async def _join(self, conversation_id: str) -> None:
        if conversation_id in self.screen.threads:
            return
        joined = self._joining.get(conversation_id)
        if joined is None:
            joined = self._joining[conversation_id] = asyncio.get_running_loop().create_future()
        try:
            await self.client.join_conversation(conversation_id)
            await asyncio.shield(joined)
        finally:
            self._joining.pop(conversation_id, None)

    async def _leave_conversation(self, conversation_id: str) -> None:
        await self.client.leave_conversation(conversation_id)
        self.screen.threads.pop(conversation_id, None)

    def _follow_newest(self) -> None:
        """Join the newest open conversations, and leave older ones above the limit."""
        if not self.is_agent:
            return
        newest = self.screen.conversations.open()[:MAX_FOLLOWED]
        for conversation in newest:
            if conversation.conversation_id not in self.screen.threads | self._joining:
                self.spawn(self._join(conversation.conversation_id))
        followed = {one.conversation_id for one in newest} | {self.screen.current_id}
        for key, thread in list(self.screen.threads.items()):
            if key not in followed and not thread.pending() and len(self.screen.threads) > MAX_FOLLOWED:
                self.spawn(self._leave_conversation(key))

    async def _mark(self, key: str) -> None:
        try:
            thread = self.screen.threads[key]
            while self.screen.is_newest_visible and key == self.screen.current_id and thread.last_seq > thread.own_mark:
                mark = await self.client.mark_read(key, thread.last_seq)
                thread.own_mark = max(thread.own_mark, mark.seq)
        finally:
            self._marking.discard(key)

    def _post(self, saved: SavedMessage) -> bool:
        key, conversation_id, content = saved
        try:
            pending = self.client.post_message(conversation_id, content, client_message_id=key)
        except RequestRefused as refusal:
            self.notify(f"not sent: {refusal.message}", is_problem=True)
            return False
        except OutboxFull as problem:
            self.notify(f"not sent: {problem}", is_problem=True)
            return False
        if self._outbox is not None:
            self._outbox.add(SavedMessage(key, conversation_id, pending.content))
        self._pending[key] = pending
        self.screen.post(conversation_id, pending.content, key, datetime.now(UTC))
        pending.done.add_done_callback(lambda _: self._on_result(pending))
        self.on_change()
        return True

    def _on_result(self, pending: SendHandle) -> None:
        key, conversation_id = pending.client_message_id, pending.conversation_id
        self._pending.pop(key, None)
        problem = None if pending.done.cancelled() else pending.done.exception()
        if pending.state == "stored":
            ack = pending.done.result()
            self._remove_saved(key)
            self.screen.set_stored(conversation_id, pending.content, key, ack.seq, ack.timestamp)
        elif isinstance(problem, RequestRefused) and not isinstance(problem, ConnectionRejected):
            self._remove_saved(key)
            self.screen.set_failed(conversation_id, key, problem.message)
        self.on_change()

    def _remove_saved(self, client_message_id: str) -> None:
        if self._outbox is not None:
            self._outbox.remove(client_message_id)

    def _on_event(self, name: str, event: object) -> None:
        del name
        try:
            self._apply(event)
        except Exception as problem:  # noqa: BLE001  the SDK would only log it
            self.end(problem)

    def _apply(self, event: object) -> None:
        self.screen.apply(event, time.monotonic())
        if isinstance(event, ConversationJoined):
            joined = self._joining.get(event.conversation_id)
            if joined is not None and not joined.done():
                joined.set_result(None)
            elif self.notes is not None and self.screen.threads[event.conversation_id].is_loaded:
                self.spawn(self.notes.load(event.conversation_id))
        elif isinstance(event, ConversationUpdated | InboxAck):
            self._open_first()
            self._follow_newest()
        elif isinstance(event, ConnectionChange) and event.state == "disconnected" and self.screen.own_id:
            self._end_refused()
        self.mark_read()
        self.on_change()

    def _end_refused(self) -> None:
        saved = 0 if self._outbox is None else len(self._outbox.waiting())
        advice = f"unsent messages kept for the next log-in as the same user: {saved}" if saved else ""
        what = "the server ended the connection"
        self.end(CommandError(what, self.screen.connection.reason, advice, code=ExitCode.REFUSED))

    def _open_first(self) -> None:
        newest = self.screen.conversations.newest_open()
        is_waiting = self.screen.current_id is None and self._outbox is not None and not self._joining
        if newest is not None and is_waiting:
            self.spawn(self.open(newest.conversation_id))

    async def _run_guarded(self, work: Coroutine[object, object, None], *, is_vital: bool) -> None:
        try:
            await work
            self.on_change()
        except ClientError as problem:
            if is_vital:
                self.end(problem)
                return
            text = problem.message if isinstance(problem, RequestRefused) else str(problem)
            if isinstance(problem, RequestRefused) and problem.conversation is not None:
                self.update_conversation(problem.conversation)
                text = "The conversation has changed meanwhile"
            self.notify(f"that did not work: {text}", is_problem=True)
        except Exception as problem:  # noqa: BLE001  a bug ends the session and is raised by run_screen
            self.end(problem)
