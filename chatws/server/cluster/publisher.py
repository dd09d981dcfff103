"""Publisher of domain events to the other servers, with subscriptions and bounded waits for the bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import UnsetType

from chatws.bus import (
    INBOX,
    BotNoticed,
    Bus,
    BusStats,
    BusUnavailable,
    ConversationChanged,
    ConversationTouched,
    HostingBegan,
    Kicked,
    MessageStored,
    NotePublished,
    PresenceEntry,
    ReadMoved,
    RemotePresenceEntry,
    Revoked,
    TypingChanged,
    UserEvent,
    conversation_channel,
    user_channel,
)
from chatws.protocol.entities import Conversation, Message, Note, User
from chatws.protocol.events import BotNotice, MessageRead
from chatws.server.metrics import DurationHistogram

Result = TypeVar("Result")

BUS_TIMEOUT_S = 0.25
"""Longest time that a client's request waits for the bus, even if the bus is stalled."""

RETRY_AFTER_S = 1.0
"""Time after a timeout during which no request waits: a stalled bus delays one request per second, not all."""


class ClusterPublisher:
    """Publishes without waiting; after a lost notification the `Reconciler` reads the change from the database."""

    def __init__(self, bus: Bus, period_ms: int, waits: DurationHistogram) -> None:
        self._bus = bus
        self._waits = waits
        """Times that requests waited for the bus."""
        self._period_s = period_ms / 1000
        self._updated: set[str] = set()
        """Conversations published to the inboxes in the current period."""
        self._updated_again: set[str] = set()
        """Those of them that have changed again; published at the end of the period."""
        self._period_timer: asyncio.TimerHandle | None = None
        """Set while a period runs."""
        self._no_wait_until = 0.0
        """Event loop time until which no request waits for the bus, after a timeout."""

    @property
    def stats(self) -> BusStats:
        """Statistics of the bus."""
        return self._bus.stats

    @property
    def has_others(self) -> bool:
        """Whether another server may be connected."""
        return self._bus.has_others

    def publish_message(self, message: Message) -> None:
        """Publish a committed message."""
        if self._bus.has_others:
            self._bus.publish(conversation_channel(message.conversation_id), MessageStored(message=message))

    def publish_change(self, before: Conversation | None, after: Conversation) -> None:
        """Publish a conversation's new status or assignee."""
        notification = ConversationChanged(before=before, after=after)
        self._bus.publish(conversation_channel(after.conversation_id), notification)
        self._bus.publish(INBOX, notification)

    def publish_inbox_update(self, conversation_id: str) -> None:
        """Publish a conversation's change to the inboxes: at once, further changes once at the end of the period."""
        if not self._bus.has_others:
            return
        if conversation_id in self._updated:
            self._updated_again.add(conversation_id)
            return
        self._updated.add(conversation_id)
        self._bus.publish(INBOX, ConversationTouched(conversation_id=conversation_id))
        if self._period_timer is None:
            self._period_timer = asyncio.get_running_loop().call_later(self._period_s, self._end_period)

    def publish_typing(self, conversation_id: str, user: User, *, is_typing: bool) -> None:
        """Publish whether a user types here; repeated while the typing continues."""
        notification = TypingChanged(conversation_id=conversation_id, user=user, is_typing=is_typing)
        self._bus.publish(conversation_channel(conversation_id), notification)

    def publish_note(self, note: Note) -> None:
        """Publish a stored note; only agents receive it there too."""
        self._bus.publish(conversation_channel(note.conversation_id), NotePublished(note=note))

    def publish_read_mark(self, event: MessageRead) -> None:
        """Publish a member's new read mark."""
        self._bus.publish(conversation_channel(event.conversation_id), ReadMoved(read=event))

    def publish_presence(self, entry: PresenceEntry, conversation_ids: Iterable[str]) -> None:
        """Store a user's entry and publish it to these conversations, the inboxes and the user's other servers."""
        self._bus.set_presence(entry)
        # Sorted: the order of a set would differ from process to process.
        for channel in (user_channel(entry.user.user_id), INBOX, *map(conversation_channel, sorted(conversation_ids))):
            self._bus.publish(channel, entry)

    def publish_membership(self, conversation_id: str, entry: PresenceEntry, *, notify_user: bool) -> None:
        """Store the entry of a user who has joined or left a conversation, and publish it there.

        With ``notify_user`` it is published to the user's other servers too.
        """
        self._bus.set_presence(entry)
        self._bus.publish(conversation_channel(conversation_id), entry)
        if notify_user:
            self._bus.publish(user_channel(entry.user.user_id), entry)

    def store_presence(self, entry: PresenceEntry, *, notify_user: bool) -> None:
        """Store a user's entry, without notification of conversations; ``notify_user`` as in `publish_membership`."""
        self._bus.set_presence(entry)
        if notify_user:
            self._bus.publish(user_channel(entry.user.user_id), entry)

    def publish_members(self, conversation_id: str, entries: Iterable[PresenceEntry]) -> None:
        """Publish the members of a conversation, for a server that has begun to host it."""
        for entry in entries:
            self._bus.publish(conversation_channel(conversation_id), entry)

    def publish_user_event(self, user_id: str, name: str, payload: msgspec.Raw | UnsetType) -> None:
        """Publish an event for every connection of a user."""
        self._bus.publish(user_channel(user_id), UserEvent(user_id=user_id, name=name, payload=payload))

    def publish_kick(self, user_id: str) -> None:
        """Publish an operator's request to close the connections of a user."""
        self._bus.publish(user_channel(user_id), Kicked(user_id=user_id))

    def publish_bot_notice(self, notice: BotNotice) -> None:
        """Publish a notice about the bot for every inbox."""
        self._bus.publish(INBOX, BotNoticed(notice=notice))

    def publish_revocation(self, user_id: str) -> None:
        """Publish that a user's credentials are void."""
        self._bus.publish(user_channel(user_id), Revoked(user_id=user_id))

    def request_members(self, conversation_id: str) -> None:
        """Ask the servers that host a conversation to publish its members."""
        self._bus.publish(conversation_channel(conversation_id), HostingBegan(conversation_id=conversation_id))

    def subscribe_conversation(self, conversation_id: str) -> asyncio.Future[None]:
        """Subscribe to a conversation; from the future's completion on, no notification is missed."""
        return _future(self._bus.subscribe(conversation_channel(conversation_id)))

    def unsubscribe_conversation(self, conversation_id: str) -> None:
        """Unsubscribe from a conversation."""
        self._bus.unsubscribe(conversation_channel(conversation_id))

    def subscribe_user(self, user_id: str) -> asyncio.Future[None]:
        """Subscribe to the channel of a user who connects here."""
        return _future(self._bus.subscribe(user_channel(user_id)))

    def unsubscribe_user(self, user_id: str) -> None:
        """Unsubscribe from the channel of a user."""
        self._bus.unsubscribe(user_channel(user_id))

    def subscribe_inboxes(self) -> asyncio.Future[None]:
        """Subscribe to changes of the conversation lists."""
        return _future(self._bus.subscribe(INBOX))

    def unsubscribe_inboxes(self) -> None:
        """Unsubscribe from changes of the conversation lists."""
        self._bus.unsubscribe(INBOX)

    async def wait_subscribed(self, subscription: asyncio.Future[None]) -> bool:
        """Wait for a confirmation, for `BUS_TIMEOUT_S` at most; return whether it arrived."""
        if not subscription.done() and self._may_wait():
            with self._timed():
                await asyncio.wait([subscription], timeout=BUS_TIMEOUT_S)
            if not subscription.done():
                self._stop_waiting()
        return subscription.done() and not subscription.cancelled()

    async def presence_of(self, user_ids: Collection[str]) -> dict[str, list[RemotePresenceEntry]] | None:
        """Return the other servers' entries of these users; None if the bus is unavailable."""
        return await self._query(lambda: self._bus.presence_of(user_ids)) if user_ids else {}

    async def agents(self) -> list[RemotePresenceEntry] | None:
        """Return the other servers' entries of all agents; None if the bus is unavailable."""
        return await self._query(self._bus.agents)

    async def ping(self) -> bool:
        """Return whether the bus responds; takes about a second at most."""
        return await self._bus.ping()

    def close(self) -> None:
        """Cancel the timer."""
        if self._period_timer is not None:
            self._period_timer.cancel()

    async def _query(self, query: Callable[[], Awaitable[Result]]) -> Result | None:
        if not self._may_wait():
            return None
        try:
            with self._timed():
                async with asyncio.timeout(BUS_TIMEOUT_S):
                    return await query()
        except BusUnavailable:
            return None
        except TimeoutError:
            self._stop_waiting()
            return None

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            self._waits.observe(loop.time() - began)

    def _may_wait(self) -> bool:
        return self._bus.stats.connected and asyncio.get_running_loop().time() >= self._no_wait_until

    def _stop_waiting(self) -> None:
        self._no_wait_until = asyncio.get_running_loop().time() + RETRY_AFTER_S

    def _end_period(self) -> None:
        self._updated, self._updated_again = self._updated_again, set()
        for conversation_id in sorted(self._updated):
            self._bus.publish(INBOX, ConversationTouched(conversation_id=conversation_id))
        self._period_timer = (
            asyncio.get_running_loop().call_later(self._period_s, self._end_period) if self._updated else None
        )


def _future(subscription: Awaitable[None]) -> asyncio.Future[None]:
    return asyncio.ensure_future(subscription)
