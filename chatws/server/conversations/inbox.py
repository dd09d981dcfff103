"""Inbox subscriptions of agents: live lists of conversations with at most one update per conversation and second."""

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
"""Bounds `Inbox._shown`; the entry sent longest ago is removed first."""

EVERY_INBOX = "inbox"
"""Room of all inbox subscribers, independent of their filter."""


class Inbox:
    """Subscribers by filter, and the updates that wait for the end of their interval."""

    def __init__(self, namespace: Namespace, update_ms: int, cluster: ClusterPublisher, hub: Hub) -> None:
        self._namespace = namespace
        self._cluster = cluster
        self._update_s = update_ms / 1000
        self._hub = hub
        self._filters: dict[InboxFilter, int] = {}
        """Number of subscribers by filter."""
        self._subscription: asyncio.Future[None] | None = None
        """Set with the first subscriber; done when the subscription to other servers' notifications is confirmed."""
        self._shown: dict[str, Conversation] = {}
        """Conversations as last sent to subscribers, the latest last."""
        self._updates: dict[str, _Update] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(self, connection: Connection, wanted: InboxFilter) -> None:
        """Subscribe a connection; a second subscription replaces the first."""
        if not self._filters:
            self._subscription = self._cluster.subscribe_inboxes()
        self._filters[wanted] = self._filters.get(wanted, 0) + 1
        if connection.inbox is not None:
            self._remove_filter(connection, connection.inbox)
        connection.inbox = wanted
        connection.socket.join(EVERY_INBOX)
        connection.socket.join(wanted.room)

    def unsubscribe(self, connection: Connection) -> bool:
        """Unsubscribe a connection; return True if it was the last subscriber here."""
        if connection.inbox is None:
            return False
        self._remove_filter(connection, connection.inbox)
        connection.inbox = None
        connection.socket.leave(EVERY_INBOX)
        if self._filters:
            return False
        self._cluster.unsubscribe_inboxes()
        self._shown.clear()
        return True

    def _remove_filter(self, connection: Connection, wanted: InboxFilter) -> None:
        connection.socket.leave(wanted.room)
        self._filters[wanted] -= 1
        if not self._filters[wanted]:
            del self._filters[wanted]

    @property
    def has_subscribers(self) -> bool:
        """Whether a client here has subscribed."""
        return bool(self._filters)

    async def wait_subscribed(self) -> None:
        """Wait for the subscription to other servers' notifications, for `BUS_TIMEOUT_S` at most."""
        if self._subscription is not None:
            await self._cluster.wait_subscribed(self._subscription)

    def mark_shown(self, conversations: Iterable[Conversation]) -> None:
        """Record conversations as sent to subscribers."""
        for conversation in conversations:
            self._shown.pop(conversation.conversation_id, None)
            self._shown[conversation.conversation_id] = conversation
        while len(self._shown) > MAX_SHOWN:
            del self._shown[next(iter(self._shown))]

    def show_page(self, conversations: Iterable[Conversation]) -> None:
        """Record a page that one subscriber receives; send the others what they have missed.

        That may be a conversation that is new to this server: it is repeated to those who know it already.
        """
        is_only_one = sum(self._filters.values()) == 1 or not self._cluster.has_others
        for conversation in conversations:
            is_first = is_only_one and conversation.conversation_id not in self._shown
            if is_first or not self.schedule_if_changed(conversation):
                self.mark_shown([conversation])

    def schedule_if_changed(self, conversation: Conversation) -> bool:
        """Send a conversation to its subscribers unless they have received this state; return whether it is sent."""
        known = self._shown.get(conversation.conversation_id)
        if known is not None and (known.version, known.head_seq) == (conversation.version, conversation.head_seq):
            return False
        self.schedule_update(conversation.conversation_id, known)
        return True

    def schedule_update(self, conversation_id: str, before: Conversation | None = None) -> None:
        """Send a changed conversation to its subscribers now, or at the end of its interval.

        ``before`` is the state before a change of status or assignee, so that subscribers whose filter matched it are
        notified too.
        """
        if not self._filters:
            return
        update = self._updates.get(conversation_id)
        if update is not None:
            update.pending = True
            if before is not None:
                update.before.append(before)
            return
        update = self._updates[conversation_id] = _Update([before] if before else [])
        self._send(conversation_id, update)

    def send_notice(self, notice: BotNotice) -> None:
        """Send a notice about the bot to the subscribers of all inboxes, here and on other servers."""
        self.show_notice(notice)
        self._cluster.publish_bot_notice(notice)

    def show_notice(self, notice: BotNotice) -> None:
        """Send a notice about the bot to the subscribers here."""
        self._namespace.to(EVERY_INBOX).emit("bot_notice", notice)

    def close(self) -> None:
        """Cancel the pending updates."""
        for update in self._updates.values():
            if update.timer is not None:
                update.timer.cancel()
        self._updates.clear()
        for task in self._tasks:
            task.cancel()

    def _send(self, conversation_id: str, update: _Update) -> None:
        update.pending, update.is_sending = False, True
        before, update.before = update.before, []
        update.timer = asyncio.get_running_loop().call_later(self._update_s, self._end_interval, conversation_id)
        task = asyncio.create_task(self._emit(conversation_id, update, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_interval(self, conversation_id: str) -> None:
        update = self._updates[conversation_id]
        if update.is_sending:
            update.timer = asyncio.get_running_loop().call_later(self._update_s, self._end_interval, conversation_id)
        elif update.pending:
            self._send(conversation_id, update)
        else:
            del self._updates[conversation_id]

    async def _emit(self, conversation_id: str, update: _Update, before: list[Conversation]) -> None:
        try:
            conversation = await self._hub.current(conversation_id)
        except StoreError:
            update.pending = True  # sent at the end of an interval in which the store is available
            update.before += before
            return
        finally:
            update.is_sending = False
        if conversation is None or (conversation.is_unwritten and all(state.is_unclaimed for state in before)):
            return  # not in any list, and was not before
        self.mark_shown([conversation])
        states = [conversation, *before]
        rooms = [wanted.room for wanted in self._filters if any(wanted.matches(state) for state in states)]
        if rooms:
            self._namespace.to(*rooms).emit("conversation_updated", ConversationUpdated(conversation=conversation))


class _Update:
    """Conversation that was sent less than an interval ago."""

    __slots__ = ("before", "is_sending", "pending", "timer")

    def __init__(self, before: list[Conversation]) -> None:
        self.before = before
        self.pending = False
        """Set if the conversation has changed again or could not be read."""
        self.is_sending = False
        """Set while the conversation is read; the store may take longer than the interval."""
        self.timer: asyncio.TimerHandle | None = None
