"""Changes of conversations: new messages, status and assignee, with their notifications."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from chatws.logging import SampledLogger
from chatws.protocol.content import fit_content
from chatws.protocol.entities import Conversation, ConversationStatus, Note, User
from chatws.protocol.ids import new_id
from chatws.server.clock import Clock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.conversations.hub import Hub
from chatws.server.conversations.inbox import Inbox
from chatws.server.logs import log_event
from chatws.server.metrics import Metrics
from chatws.store.interface import Draft, StaleVersion, Store, Stored, StoreError

_messages_log = logging.getLogger("chatws.messages")
_status_log = logging.getLogger("chatws.conversations")


class ConversationObserver(Protocol):
    """Receiver of status changes, called after the clients here were notified."""

    def conversation_changed(self, conversation: Conversation) -> None:
        """React to a new status or assignee; must return at once and not raise."""


class ConversationService:
    """Appends messages and changes status and assignee.

    Each change is committed first, then sent to the members and inboxes here and published to the other servers; the
    call returns after that, so that an ack never precedes the broadcast.
    """

    def __init__(
        self,
        *,
        store: Store,
        hub: Hub,
        inbox: Inbox,
        cluster: ClusterPublisher,
        metrics: Metrics,
        clock: Clock,
        first_status: ConversationStatus,
        on_stored: Callable[[], None] | None,
    ) -> None:
        self.first_status = first_status
        """Status of new conversations."""
        self._store = store
        self._hub = hub
        self._inbox = inbox
        self._cluster = cluster
        self._metrics = metrics
        self._clock = clock
        self._on_stored = on_stored
        """Called after each change, None without a webhook."""
        self._sent_log = SampledLogger(_messages_log, "message_sent")
        self._observers: list[ConversationObserver] = []

    def subscribe(self, observer: ConversationObserver) -> None:
        """Notify an observer of every later change of status or assignee."""
        self._observers.append(observer)

    async def append(self, draft: Draft) -> Stored:
        """Store a message and deliver it to the room; a repeated message is neither stored nor delivered again.

        Raises:
            StoreError: as `Store.append`.
        """
        hosted = self._hub.get(draft.conversation_id)
        before = hosted.conversation if hosted is not None and draft.may_change_status else None
        began = self._clock.monotonic()
        stored = await self._store.append(draft)
        committed_at = self._clock.monotonic()
        self._metrics.commit.observe(committed_at - began)
        message = stored.message
        self._hub.deliver(message)
        self._cluster.publish_message(message)
        if stored.duplicate:
            return stored  # published nevertheless: the server that stored it may have ended before publishing
        if self._on_stored is not None:
            self._on_stored()
        self._metrics.messages[message.sender.role] += 1
        if stored.conversation is not None:
            self.broadcast_change(before, stored.conversation)
            _log_change(stored.conversation)
        else:
            self.update_inboxes(draft.conversation_id)
        if self._sent_log.is_due(committed_at):
            self._sent_log.write(
                conversationId=message.conversation_id,
                senderId=message.sender.user_id,
                contentLength=len(message.content),
                seq=message.seq,
            )
        return stored

    async def transition(
        self,
        before: Conversation,
        version: int,
        status: ConversationStatus,
        assignee_id: str | None = None,
        *,
        reason: str | None = None,
    ) -> Conversation:
        """Change status and assignee of the given version; return the changed conversation.

        ``reason`` is that of a hand-off.

        Raises:
            StaleVersion: the conversation has another version.
            StoreError: as `Store.transition`.
        """
        after = await self._store.transition(
            before.conversation_id, version=version, status=status, assignee_id=assignee_id, reason=reason
        )
        if self._on_stored is not None:
            self._on_stored()
        self.broadcast_change(before, after)
        _log_change(after)
        return after

    async def add_note(self, note_id: str, conversation_id: str, author: User, content: str) -> Note:
        """Store a note and send it to the agents who joined the conversation; a repeated one is not sent again.

        Raises:
            StoreError: as `Store.add_note`.
        """
        note, is_new = await self._store.add_note(note_id, conversation_id, author, content)
        if is_new:
            self._hub.deliver_note(note)
            self._cluster.publish_note(note)
        return note

    async def note_handoff(self, conversation_id: str, author: User, reason: str) -> None:
        """Keep the reason of a hand-off as a note; without a reason, or if the store is unavailable, there is none."""
        if content := fit_content(reason):
            with contextlib.suppress(StoreError):
                await self.add_note(new_id(self._clock.now_ms()), conversation_id, author, f"Handed off: {content}")

    async def assign_to_agent(self, agent: User, conversation: Conversation) -> None:
        """Assign a conversation to an agent, unless it has changed meanwhile: of several agents, the first gets it."""
        with contextlib.suppress(StaleVersion):
            await self.transition(conversation, conversation.version, "assigned", agent.user_id)

    async def assign_to_bot(self, conversation: Conversation) -> Conversation:
        """Assign a conversation to the bot, unless it has changed meanwhile; return its current state."""
        try:
            return await self.transition(conversation, conversation.version, "bot")
        except StaleVersion as stale:
            return stale.current

    async def requeue(self, conversation: Conversation, reason: str | None = None) -> bool:
        """Return a conversation of the bot or of an absent agent to the queue; False if it has changed meanwhile."""
        try:
            await self.transition(conversation, conversation.version, "queued", reason=reason)
        except StaleVersion:
            return False
        return True

    def broadcast_change(self, before: Conversation | None, after: Conversation) -> None:
        """Send a new status or assignee to members and inboxes, here and on other servers."""
        self.broadcast_locally(before, after)
        self._cluster.publish_change(before, after)

    def broadcast_locally(self, before: Conversation | None, after: Conversation) -> None:
        """Send a new status or assignee to members and inboxes on this server."""
        self._hub.adopt(after)
        self._inbox.schedule_update(after.conversation_id, before)
        self.notify_observers(after)

    def notify_observers(self, conversation: Conversation) -> None:
        """Notify the observers of a change that was sent to the clients here."""
        for observer in self._observers:
            observer.conversation_changed(conversation)

    def update_inboxes(self, conversation_id: str) -> None:
        """Update a conversation that is new or has a new message in the inboxes here and on other servers."""
        self._inbox.schedule_update(conversation_id)
        self._cluster.publish_inbox_update(conversation_id)

    def known_state(self, conversation: Conversation, stored: Stored) -> Conversation | None:
        """Return the conversation as an append found it; None if this server has only older versions.

        ``conversation`` is the version before the append, used if the conversation is not hosted here.
        """
        hosted = self._hub.get(conversation.conversation_id)
        known = stored.conversation or (conversation if hosted is None else hosted.conversation)
        return known if known.version >= stored.version else None

    async def show_email(self, conversation_id: str) -> None:
        """Send a customer's new mail address to the agents, here and on other servers; the version stays the same.

        A new version would drop the reply that a bot is writing. A notification that another server does not receive
        is therefore not repeated: its agents see the address when the conversation is read again.

        Raises:
            StoreError: as `Store.conversation`.
        """
        conversation = await self._store.conversation(conversation_id)
        if conversation is not None:
            self.broadcast_change(None, conversation)

    async def refresh(self, conversation: Conversation) -> Conversation:
        """Read a conversation whose change on another server was missed, and send the change to the clients here.

        Returns the known version if the store is unavailable.
        """
        try:
            after = await self._store.conversation(conversation.conversation_id)
        except StoreError:
            after = None  # read again by the next reconciliation
        if after is None:
            return conversation
        self.broadcast_locally(conversation, after)
        return after


def _log_change(conversation: Conversation) -> None:
    log_event(
        _status_log,
        logging.INFO,
        "conversation_changed",
        conversationId=conversation.conversation_id,
        status=conversation.status,
        assignee=None if conversation.assignee is None else conversation.assignee.user_id,
    )
