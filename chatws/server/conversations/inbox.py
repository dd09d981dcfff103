"""The agents' live list of conversations: at most one update a second for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from chatws.engine import Namespace
from chatws.protocol.entities import Conversation
from chatws.protocol.events import BotNotice, ConversationUpdated
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.connections.registry import Connection, InboxFilter
from chatws.server.conversations.hub import Hub
from chatws.store.interface import StoreError

MAX_SHOWN = 2_000

EVERY_INBOX = "inbox"
"""Room of all who follow an inbox, whatever they filter."""


class Inbox:
    """The followers by filter, and the updates that wait for their second."""

    def __init__(
        self,
        namespace: Namespace,
        update_ms: int,
        cluster: ClusterPublisher,
        hub: Hub,
    ) -> None:
        self._namespace = namespace
        self._cluster = cluster
        self._update_s = update_ms / 1000
        self._hub = hub
        self._filters: dict[InboxFilter, int] = {}
        self._subscription: asyncio.Future[None] | None = None
        """Set with the first follower; done when what other servers say of inboxes arrives here."""
        self.shown: dict[str, Conversation] = {}
        """What followers were shown last, the latest last, so that a sweep finds what they were not."""
        self._waiting: dict[str, _Update] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(self, connection: Connection, wanted: InboxFilter) -> None:
        """Follow; a second subscription replaces the first."""
        if not self._filters:
            self._subscription = self._cluster.subscribe_inboxes()
        self._filters[wanted] = self._filters.get(wanted, 0) + 1
        if connection.inbox is not None:
            self._remove_filter(connection, connection.inbox)
        connection.inbox = wanted
        connection.socket.join(EVERY_INBOX)
        connection.socket.join(wanted.room)

    def unsubscribe(self, connection: Connection) -> bool:
        """Follow no more; true when that was the last follower here."""
        if connection.inbox is None:
            return False
        self._remove_filter(connection, connection.inbox)
        connection.inbox = None
        connection.socket.leave(EVERY_INBOX)
        if self._filters:
            return False
        self._cluster.unsubscribe_inboxes()
        self.shown.clear()
        return True

    def _remove_filter(self, connection: Connection, wanted: InboxFilter) -> None:
        connection.socket.leave(wanted.room)
        self._filters[wanted] -= 1
        if not self._filters[wanted]:
            del self._filters[wanted]

    @property
    def has_followers(self) -> bool:
        """Whether somebody here follows."""
        return bool(self._filters)

    async def wait_subscribed(self) -> None:
        """Wait, for a moment at most, until no change that other servers tell of can be missed."""
        if self._subscription is not None:
            await self._cluster.wait_subscribed(self._subscription)

    def remember(self, conversations: Iterable[Conversation]) -> None:
        """Followers have seen these."""
        for conversation in conversations:
            self.shown.pop(conversation.conversation_id, None)
            self.shown[conversation.conversation_id] = conversation
        while len(self.shown) > MAX_SHOWN:
            del self.shown[next(iter(self.shown))]

    def touch(self, conversation_id: str, before: Conversation | None = None) -> None:
        """A conversation changed: show it now, or when its second is over.

        ``before`` is what it was, when its status or assignee changed, so that those hear of it who followed it then.
        """
        if not self._filters:
            return
        update = self._waiting.get(conversation_id)
        if update is not None:
            update.pending = True
            if before is not None:
                update.before.append(before)
            return
        update = self._waiting[conversation_id] = _Update([before] if before else [])
        self._show(conversation_id, update)

    def send_notice(self, notice: BotNotice) -> None:
        """Send a notice about the bot to the subscribers of all inboxes, here and on other servers."""
        self.show_notice(notice)
        self._cluster.send_bot_notice(notice)

    def show_notice(self, notice: BotNotice) -> None:
        """Send a notice about the bot to the subscribers here."""
        self._namespace.to(EVERY_INBOX).emit("bot_notice", notice)

    def close(self) -> None:
        """Cancel what waits."""
        for update in self._waiting.values():
            if update.timer is not None:
                update.timer.cancel()
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _show(self, conversation_id: str, update: _Update) -> None:
        update.pending, update.is_showing = False, True
        before, update.before = update.before, []
        update.timer = asyncio.get_running_loop().call_later(self._update_s, self._next, conversation_id)
        task = asyncio.create_task(self._emit(conversation_id, update, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _next(self, conversation_id: str) -> None:
        update = self._waiting[conversation_id]
        if update.is_showing:
            update.timer = asyncio.get_running_loop().call_later(self._update_s, self._next, conversation_id)
        elif update.pending:
            self._show(conversation_id, update)
        else:
            del self._waiting[conversation_id]

    async def _emit(self, conversation_id: str, update: _Update, before: list[Conversation]) -> None:
        try:
            conversation = await self._hub.current(conversation_id)
        except StoreError:
            update.pending = True  # shown as soon as the store is back
            update.before += before
            return
        finally:
            update.is_showing = False
        if conversation is None:
            return
        self.remember([conversation])
        seen = [conversation, *before]
        rooms = [wanted.room for wanted in self._filters if any(wanted.matches(one) for one in seen)]
        if rooms:
            self._namespace.to(*rooms).emit("conversation_updated", ConversationUpdated(conversation=conversation))


class _Update:
    """A conversation that was shown less than a second ago."""

    __slots__ = ("before", "is_showing", "pending", "timer")

    def __init__(self, before: list[Conversation]) -> None:
        self.before = before
        self.pending = False
        """Whether it has changed again, or could not be read."""
        self.is_showing = False
        """Set while it is read; the store may take longer than the second."""
        self.timer: asyncio.TimerHandle | None = None
