"""What this server tells the other servers, and what it hears of them: the bus in the words of the chat."""

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
    MessageStored,
    PresenceEntry,
    ReadMoved,
    RemotePresenceEntry,
    Revoked,
    TypingChanged,
    UserEvent,
    conversation_channel,
    user_channel,
)
from chatws.protocol.entities import Conversation, Message, User
from chatws.protocol.events import BotNotice, MessageRead
from chatws.server.metrics import DurationHistogram

Answer = TypeVar("Answer")

ASK_TIMEOUT_S = 0.25
"""A client's request waits no longer than this for the bus, whatever has become of it."""

IMPATIENT_S = 1.0
"""A bus that hangs costs one request in this time its wait, not every one; by then it is known to be away."""


class ClusterPublisher:
    """Publishes without waiting; nothing a client was promised depends on it, the database repairs what is lost."""

    def __init__(self, bus: Bus, touch_ms: int, waits: DurationHistogram) -> None:
        self._bus = bus
        self._waits = waits
        """How long requests waited for the bus."""
        self._touch_s = touch_ms / 1000
        self._touched: set[str] = set()
        """Conversations of which the inboxes have heard in this period."""
        self._touched_again: set[str] = set()
        self._touch_timer: asyncio.TimerHandle | None = None
        """Set while a period runs."""
        self._patient_again_at = 0.0
        """By the event loop's clock: until then a bus that did not answer in time is not waited for."""

    @property
    def stats(self) -> BusStats:
        """The bus's figures."""
        return self._bus.stats

    def message_stored(self, message: Message) -> None:
        """A message was committed."""
        self._bus.publish(conversation_channel(message.conversation_id), MessageStored(message=message))

    def changed(self, before: Conversation | None, after: Conversation) -> None:
        """A conversation's status or assignee changed."""
        note = ConversationChanged(before=before, after=after)
        self._bus.publish(conversation_channel(after.conversation_id), note)
        self._bus.publish(INBOX, note)

    def touched(self, conversation_id: str) -> None:
        """Inboxes show something else of a conversation: told at once, then once when the period is over."""
        if conversation_id in self._touched:
            self._touched_again.add(conversation_id)
            return
        self._touched.add(conversation_id)
        self._bus.publish(INBOX, ConversationTouched(conversation_id=conversation_id))
        if self._touch_timer is None:
            self._touch_timer = asyncio.get_running_loop().call_later(self._touch_s, self._touch_again)

    def typing(self, conversation_id: str, user: User, *, is_typing: bool) -> None:
        """A user types here, still types, or does not any more."""
        note = TypingChanged(conversation_id=conversation_id, user=user, is_typing=is_typing)
        self._bus.publish(conversation_channel(conversation_id), note)

    def read(self, event: MessageRead) -> None:
        """A member has read further."""
        self._bus.publish(conversation_channel(event.conversation_id), ReadMoved(read=event))

    def presence(self, part: PresenceEntry, conversation_ids: Iterable[str]) -> None:
        """A user's status here has changed: told to the members of these conversations, and to inboxes."""
        self._bus.hold(part)
        for channel in (user_channel(part.user.user_id), INBOX, *map(conversation_channel, conversation_ids)):
            self._bus.publish(channel, part)

    def presence_in(self, conversation_id: str, part: PresenceEntry, *, also_tell_user: bool) -> None:
        """A user has joined or left a conversation here; the user's other servers have to know when there are any."""
        self._bus.hold(part)
        self._bus.publish(conversation_channel(conversation_id), part)
        if also_tell_user:
            self._bus.publish(user_channel(part.user.user_id), part)

    def hold(self, part: PresenceEntry, *, also_tell_user: bool) -> None:
        """A user's last connection here has gone, or one is back: known where the user is, and to be asked for."""
        self._bus.hold(part)
        if also_tell_user:
            self._bus.publish(user_channel(part.user.user_id), part)

    def send_presence(self, conversation_id: str, parts: Iterable[PresenceEntry]) -> None:
        """Say who is in a conversation here, to a server that has begun to host it."""
        for part in parts:
            self._bus.publish(conversation_channel(conversation_id), part)

    def send_to_user(self, user_id: str, name: str, payload: msgspec.Raw | UnsetType) -> None:
        """Every connection of a user is to get an event."""
        self._bus.publish(user_channel(user_id), UserEvent(user_id=user_id, name=name, payload=payload))

    def send_bot_notice(self, notice: BotNotice) -> None:
        """Every agent who follows an inbox is to get a notice of a bot."""
        self._bus.publish(INBOX, BotNoticed(notice=notice))

    def revoked(self, user_id: str) -> None:
        """A user's credentials are void."""
        self._bus.publish(user_channel(user_id), Revoked(user_id=user_id))

    def hosting_began(self, conversation_id: str) -> None:
        """Have those who host a conversation say who is there."""
        self._bus.publish(conversation_channel(conversation_id), HostingBegan(conversation_id=conversation_id))

    def subscribe_conversation(self, conversation_id: str) -> asyncio.Future[None]:
        """Hear a conversation; done when nothing of it can be missed any more."""
        return _future(self._bus.subscribe(conversation_channel(conversation_id)))

    def unsubscribe_conversation(self, conversation_id: str) -> None:
        """Hear it no more."""
        self._bus.unsubscribe(conversation_channel(conversation_id))

    def subscribe_user(self, user_id: str) -> asyncio.Future[None]:
        """Hear what concerns a user who is connected here."""
        return _future(self._bus.subscribe(user_channel(user_id)))

    def unsubscribe_user(self, user_id: str) -> None:
        """Hear it no more."""
        self._bus.unsubscribe(user_channel(user_id))

    def subscribe_inboxes(self) -> asyncio.Future[None]:
        """Hear what concerns the lists of conversations."""
        return _future(self._bus.subscribe(INBOX))

    def unsubscribe_inboxes(self) -> None:
        """Hear it no more."""
        self._bus.unsubscribe(INBOX)

    async def wait_subscribed(self, heard: asyncio.Future[None]) -> bool:
        """Wait until a channel is heard, but not for long, and not at all while the bus is away; returns whether."""
        if not heard.done() and self._is_worth_waiting():
            with self._timed():
                await asyncio.wait([heard], timeout=ASK_TIMEOUT_S)
            if not heard.done():
                self._lose_patience()
        return heard.done() and not heard.cancelled()

    async def presence_of(self, user_ids: Collection[str]) -> dict[str, list[RemotePresenceEntry]] | None:
        """Ask the others about these users; None when they cannot be asked now."""
        return await self._ask(lambda: self._bus.presence_of(user_ids)) if user_ids else {}

    async def agents(self) -> list[RemotePresenceEntry] | None:
        """Ask the others about all agents; None when they cannot be asked now."""
        return await self._ask(self._bus.agents)

    async def is_there(self) -> bool:
        """Whether the bus works; known within a second or so."""
        return await self._bus.ping()

    def close(self) -> None:
        """Cancel the timer."""
        if self._touch_timer is not None:
            self._touch_timer.cancel()

    async def _ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer | None:
        if not self._is_worth_waiting():
            return None
        try:
            with self._timed():
                async with asyncio.timeout(ASK_TIMEOUT_S):
                    return await question()
        except BusUnavailable:
            return None
        except TimeoutError:
            self._lose_patience()
            return None

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            self._waits.observe(loop.time() - began)

    def _is_worth_waiting(self) -> bool:
        return self._bus.stats.connected and asyncio.get_running_loop().time() >= self._patient_again_at

    def _lose_patience(self) -> None:
        self._patient_again_at = asyncio.get_running_loop().time() + IMPATIENT_S

    def _touch_again(self) -> None:
        self._touched, self._touched_again = self._touched_again, set()
        for conversation_id in self._touched:
            self._bus.publish(INBOX, ConversationTouched(conversation_id=conversation_id))
        self._touch_timer = (
            asyncio.get_running_loop().call_later(self._touch_s, self._touch_again) if self._touched else None
        )


def _future(subscription: Awaitable[None]) -> asyncio.Future[None]:
    return asyncio.ensure_future(subscription)
