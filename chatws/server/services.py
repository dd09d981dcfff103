"""The parts of one running server in one place, and what several handlers do with them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws.protocol.entities import Conversation, ConversationStatus, User
from chatws.server.conversations.hub import Hub
from chatws.server.logs import log_event
from chatws.store.interface import Draft, Stored, StoreError

if TYPE_CHECKING:
    from chatws.engine import Namespace
    from chatws.server.auth.identity import Authenticator, Identity
    from chatws.server.auth.passwords import PasswordChecker
    from chatws.server.bot.dispatcher import BotDispatcher
    from chatws.server.bot.reply import BotReply
    from chatws.server.clock import Clock
    from chatws.server.cluster.publisher import ClusterPublisher
    from chatws.server.connections.registry import Connection, ConnectionRegistry
    from chatws.server.conversations.inbox import Inbox
    from chatws.server.metrics import Metrics
    from chatws.server.presence.manager import PresenceManager
    from chatws.server.requests.rate_limit import AddressRateLimiter, RateLimiter
    from chatws.settings import Settings
    from chatws.store.interface import Store

_log = logging.getLogger("chatws.messages")


@dataclass(slots=True)
class RequestContext:
    """Who asks: a socket's connection, or a REST request without one."""

    identity: Identity | None
    rate_limiter: RateLimiter | None
    """None when limits are off."""
    connection: Connection | None = None
    address: str = ""
    """Where a REST request comes from; a socket's handshake has its own."""
    follow: Callable[[BotReply], None] | None = None
    """Takes the bot's answer for a REST request that reads it while it is written, and so is not to wait for it."""

    @property
    def user(self) -> User:
        """The user; only after the pipeline has checked that there is one."""
        assert self.identity is not None
        return self.identity.user


@dataclass(slots=True)
class Services:
    """What handlers work with."""

    settings: Settings
    clock: Clock
    store: Store
    namespace: Namespace
    metrics: Metrics
    authenticator: Authenticator
    passwords: PasswordChecker
    failures: AddressRateLimiter
    """Failed log-ins and guessed sessions."""
    session_starts: AddressRateLimiter
    registry: ConnectionRegistry
    hub: Hub
    presence: PresenceManager
    inbox: Inbox
    bot: BotDispatcher
    cluster: ClusterPublisher
    draining: bool = False

    @property
    def first_status(self) -> ConversationStatus:
        """The status that new conversations begin with."""
        return "queued" if self.settings.bot == "none" else "bot"

    async def append(self, draft: Draft) -> Stored:
        """Store a message, then hand it to the room; a repeat is neither stored nor shown again.

        Raises:
            StoreError: as `Store.append`.
        """
        before = self.hub.get(draft.conversation_id)
        was = before.conversation if before is not None and draft.reopen else None
        began = self.clock.monotonic()
        stored = await self.store.append(draft)
        self.metrics.commit.observe(self.clock.monotonic() - began)
        message = stored.message
        self.hub.deliver(message)
        self.cluster.message(message)
        if stored.duplicate:
            return stored  # told all the same: the server that stored it may have died before it did
        self.metrics.messages[message.sender.role] += 1
        if stored.conversation is not None:
            self.changed(was, stored.conversation)
        else:
            self.touched(draft.conversation_id)
        if _log.isEnabledFor(logging.DEBUG):
            log_event(
                _log,
                logging.DEBUG,
                "message_sent",
                conversationId=message.conversation_id,
                senderId=message.sender.user_id,
                contentLength=len(message.content),
                seq=message.seq,
            )
        return stored

    def changed(self, before: Conversation | None, after: Conversation) -> None:
        """Tell members and inboxes, here and on other servers, of a new status or assignee."""
        self.show_change(before, after)
        self.cluster.changed(before, after)

    def show_change(self, before: Conversation | None, after: Conversation) -> None:
        """Tell members and inboxes here of a new status or assignee."""
        self.hub.adopt(after)
        self.inbox.touch(after.conversation_id, before)
        self.bot.conversation_changed(after)

    def touched(self, conversation_id: str) -> None:
        """Tell inboxes, here and on other servers, of a conversation that is new or has a new message."""
        self.inbox.touch(conversation_id)
        self.cluster.touched(conversation_id)

    def remembered(self, conversation: Conversation, stored: Stored) -> Conversation | None:
        """Return the conversation as an append found it; None when that is newer than what is known here.

        ``conversation`` is what the caller went by, for one that is not hosted.
        """
        hosted = self.hub.get(conversation.conversation_id)
        known = stored.conversation or (conversation if hosted is None else hosted.conversation)
        return known if known.version >= stored.version else None

    async def relearn(self, conversation: Conversation) -> Conversation:
        """Read a conversation that was changed elsewhere unheard, and tell of the change; as known if it cannot be."""
        try:
            after = await self.store.conversation(conversation.conversation_id)
        except StoreError:
            after = None  # the sweep comes again
        if after is None:
            return conversation
        self.show_change(conversation, after)
        return after

    async def current(self, conversation_id: str) -> Conversation | None:
        """Return a conversation as it is now, from memory when it is hosted here."""
        hosted = self.hub.get(conversation_id)
        return hosted.current() if hosted is not None else await self.store.conversation(conversation_id)
