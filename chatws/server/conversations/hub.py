"""Conversations hosted on this server, with message delivery strictly in the order of ``seq``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import UNSET

from chatws.engine import Namespace
from chatws.protocol.entities import Conversation, Message, Note, ReadMark
from chatws.protocol.events import ConversationUpdated, MessageRead
from chatws.protocol.limits import GAP_WAIT_MS, PAGE_MESSAGES
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.connections.registry import Connection
from chatws.server.conversations.recovery_offset import NO_RECOVERY, encode_offset
from chatws.server.conversations.typing import ConversationTyping
from chatws.server.metrics import Metrics
from chatws.store.interface import NotFound, Store, Unavailable

TypingFactory = Callable[[str], ConversationTyping]
"""Creates the typing state of a conversation from its id."""


def room_name(conversation_id: str) -> str:
    """Return the name of a conversation's room (guide, Conversation Rooms)."""
    return f"conversation:{conversation_id}"


def notes_room(conversation_id: str) -> str:
    """Return the name of the room of the agents in a conversation; only its members receive notes."""
    return f"notes:{conversation_id}"


class HostedConversation:
    """In-memory state of a conversation that has a member on this server."""

    __slots__ = (
        "broadcast",
        "conversation",
        "delivered",
        "last_message",
        "offset_members",
        "pending",
        "read_marks",
        "repair",
        "room",
        "subscription",
        "typing",
        "was_subscribed_late",
    )

    def __init__(
        self,
        conversation: Conversation,
        namespace: Namespace,
        typing: ConversationTyping,
        subscription: asyncio.Future[None],
    ) -> None:
        self.conversation = conversation
        """State after the last change of status or assignee; `current` adds the latest message."""
        self.room = room_name(conversation.conversation_id)
        self.broadcast = namespace.to(self.room)
        """Selection of the members; made once, because every message needs it."""
        self.delivered = conversation.head_seq
        """``seq`` of the last message delivered to the room."""
        self.last_message = conversation.last_message
        self.offset_members: dict[Connection, None] = {}
        """Members that receive their offset after each message."""
        self.pending: dict[int, Message] = {}
        """Messages after a gap, by ``seq``."""
        self.read_marks: dict[str, int] = {}
        """Marks by user, as last sent to the room or to all its members in replies to their joins."""
        self.repair: asyncio.Task[None] | None = None
        """Set while a gap exists: waits for the missing messages, then reads them from the database."""
        self.typing = typing
        self.subscription = subscription
        """Done when the subscription to the other servers' notifications is confirmed."""
        self.was_subscribed_late = False
        """Set if rows were read before that confirmation: a notification may have been missed."""

    def current(self) -> Conversation:
        """Return the conversation including its latest message."""
        last = self.last_message
        if last is None or last.seq <= self.conversation.head_seq:
            return self.conversation
        return msgspec.structs.replace(
            self.conversation, head_seq=last.seq, last_message=last, updated_at=last.timestamp
        )


class Hub:
    """All hosted conversations of this server."""

    def __init__(
        self,
        namespace: Namespace,
        store: Store,
        metrics: Metrics,
        cluster: ClusterPublisher,
        make_typing: TypingFactory,
    ) -> None:
        self._namespace = namespace
        self._store = store
        self._metrics = metrics
        self._cluster = cluster
        self._make_typing = make_typing
        self._hosted: dict[str, HostedConversation] = {}
        self._late_subscriptions: set[str] = set()
        """Ids of conversations whose subscription was confirmed only after their rows had been read."""
        self._has_late_subscriptions = asyncio.Event()

    def __len__(self) -> int:
        return len(self._hosted)

    def ids(self) -> list[str]:
        """Return the ids of all hosted conversations."""
        return list(self._hosted)

    def get(self, conversation_id: str) -> HostedConversation | None:
        """Return the conversation if it is hosted here."""
        return self._hosted.get(conversation_id)

    async def current(self, conversation_id: str) -> Conversation | None:
        """Return the current state of a conversation, from memory if it is hosted here, else from the store.

        Raises:
            StoreError: as `Store.conversation`.
        """
        hosted = self._hosted.get(conversation_id)
        return hosted.current() if hosted is not None else await self._store.conversation(conversation_id)

    def enter(self, connection: Connection, conversation: Conversation) -> HostedConversation:
        """Add a connection to the conversation's room; called before the rows are read, so that no message is missed.

        ``conversation`` was read before this call: later messages are delivered to the room.
        """
        conversation_id = conversation.conversation_id
        hosted = self._hosted.get(conversation_id)
        if hosted is None:
            hosted = self._host(conversation)
        connection.socket.join(hosted.room)
        if connection.is_agent:
            connection.socket.join(notes_room(conversation_id))
        connection.joined.setdefault(conversation_id, False)
        if connection.receives_offsets:
            hosted.offset_members[connection] = None
        return hosted

    def _host(self, conversation: Conversation) -> HostedConversation:
        conversation_id = conversation.conversation_id
        subscription = self._cluster.subscribe_conversation(conversation_id)
        hosted = HostedConversation(conversation, self._namespace, self._make_typing(conversation_id), subscription)
        self._hosted[conversation_id] = hosted
        subscription.add_done_callback(lambda done: self._subscribed(hosted, done))
        return hosted

    async def wait_subscribed(self, hosted: HostedConversation) -> None:
        """Wait for the subscription to other servers' notifications, for `BUS_TIMEOUT_S` at most."""
        if not await self._cluster.wait_subscribed(hosted.subscription):
            hosted.was_subscribed_late = True

    def _subscribed(self, hosted: HostedConversation, subscription: asyncio.Future[None]) -> None:
        conversation_id = hosted.conversation.conversation_id
        if subscription.cancelled() or self._hosted.get(conversation_id) is not hosted:
            return
        self._cluster.request_members(conversation_id)
        if hosted.was_subscribed_late:
            self._late_subscriptions.add(conversation_id)
            self._has_late_subscriptions.set()

    async def wait_late_subscriptions(self) -> list[str]:
        """Wait for conversations that were subscribed late and return their ids; they may lack notifications."""
        await self._has_late_subscriptions.wait()
        self._has_late_subscriptions.clear()
        late, self._late_subscriptions = self._late_subscriptions, set()
        return list(late)

    def leave(self, connection: Connection, conversation_id: str) -> bool:
        """Remove a connection; return True if it was the last one, which ends the hosting."""
        connection.joined.pop(conversation_id, None)
        room = room_name(conversation_id)
        connection.socket.leave(room)
        connection.socket.leave(notes_room(conversation_id))
        hosted = self._hosted.get(conversation_id)
        if hosted is None:
            return False
        hosted.offset_members.pop(connection, None)
        if self._namespace.room_size(room):
            return False
        del self._hosted[conversation_id]
        hosted.typing.close()
        self._cluster.unsubscribe_conversation(conversation_id)
        if hosted.repair is not None:
            hosted.repair.cancel()
        return True

    def adopt(self, conversation: Conversation) -> None:
        """Store a newer version, or the customer's new mail address, and send it to the members.

        Older versions are ignored.
        """
        hosted = self._hosted.get(conversation.conversation_id)
        if hosted is not None and _is_newer(conversation, hosted.conversation):
            hosted.conversation = conversation
            hosted.broadcast.emit("conversation_updated", ConversationUpdated(conversation=conversation))

    def deliver_read_mark(self, event: MessageRead) -> None:
        """Send a committed read mark to the room, in order and once."""
        hosted = self._hosted.get(event.conversation_id)
        if hosted is not None and event.seq > hosted.read_marks.get(event.user_id, 0):
            hosted.read_marks[event.user_id] = event.seq
            hosted.broadcast.emit("message_read", event)

    def begin_read_marks(self, hosted: HostedConversation, marks: Iterable[ReadMark]) -> None:
        """Record the marks in the reply to the only member; other members may not have them yet."""
        if self._namespace.room_size(hosted.room) == 1:
            for mark in marks:
                hosted.read_marks[mark.user_id] = max(mark.seq, hosted.read_marks.get(mark.user_id, 0))

    def adopt_read_marks(self, hosted: HostedConversation, marks: Iterable[ReadMark], timestamp: str) -> None:
        """Send the marks to the room that it does not have yet: their notification was lost, or is on its way."""
        conversation_id = hosted.conversation.conversation_id
        for mark in marks:
            self.deliver_read_mark(
                MessageRead(conversation_id=conversation_id, user_id=mark.user_id, seq=mark.seq, timestamp=timestamp)
            )

    def deliver_note(self, note: Note) -> None:
        """Send a note to the agents who joined its conversation here."""
        self._namespace.to(notes_room(note.conversation_id)).emit("note_added", note)

    def deliver(self, message: Message) -> None:
        """Deliver a committed message to the room, in order and once; a gap is read from the database after a wait."""
        hosted = self._hosted.get(message.conversation_id)
        if hosted is None or message.seq <= hosted.delivered:
            return
        if message.seq != hosted.delivered + 1:
            hosted.pending[message.seq] = message
            if hosted.repair is None:
                hosted.repair = asyncio.create_task(self._repair(hosted))
            return
        self._emit(hosted, message)
        while hosted.pending and (pending := hosted.pending.pop(hosted.delivered + 1, None)) is not None:
            self._emit(hosted, pending)

    def _emit(self, hosted: HostedConversation, message: Message) -> None:
        hosted.delivered = message.seq
        hosted.last_message = message
        hosted.broadcast.emit("message_received", message)
        if hosted.offset_members:
            self._emit_offsets(hosted)

    def _emit_offsets(self, hosted: HostedConversation) -> None:
        """Send offsets, in the same write as the message before; members of one conversation only share the frame."""
        shared: bytes | None = None
        for connection in hosted.offset_members:
            if len(connection.joined) > 1:
                self.emit_offset(connection)
                continue
            if shared is None:
                offset = encode_offset([(hosted.conversation.conversation_id, hosted.delivered)])
                shared = self._namespace.codec.event("recovery_offset", (offset,))
            connection.socket.deliver(shared)

    def emit_offset(self, connection: Connection) -> None:
        """Send a client its positions: it has received each of its conversations as far as this server delivered it."""
        if connection.receives_offsets:
            positions = [(hosted.conversation.conversation_id, hosted.delivered) for hosted in self._joined(connection)]
            connection.socket.emit("recovery_offset", encode_offset(positions))

    def withdraw_offsets(self, connection: Connection) -> None:
        """Send no further offsets and void the last one: the client depends on more than recovery can restore."""
        if connection.receives_offsets:
            connection.receives_offsets = False
            for hosted in self._joined(connection):
                hosted.offset_members.pop(connection, None)
            if connection.joined:
                connection.socket.emit("recovery_offset", NO_RECOVERY)

    def _joined(self, connection: Connection) -> Iterator[HostedConversation]:
        """Yield a connection's conversations; one that ended while it connected may no longer be hosted."""
        for conversation_id in connection.joined:
            if (hosted := self._hosted.get(conversation_id)) is not None:
                yield hosted

    async def _repair(self, hosted: HostedConversation) -> None:
        try:
            while hosted.pending:
                await asyncio.sleep(GAP_WAIT_MS / 1000)
                if hosted.pending:
                    self._metrics.gaps.inc()
                    if not await self.read_missing(hosted, max(hosted.pending)):
                        break  # read again by the next reconciliation
        except (Unavailable, NotFound):
            pass  # likewise
        finally:
            hosted.repair = None

    async def read_missing(self, hosted: HostedConversation, head: int) -> bool:
        """Deliver the messages up to ``head`` from the database; return False if it does not have all of them."""
        conversation_id = hosted.conversation.conversation_id
        while hosted.delivered < head:
            page = await self._store.page_after(conversation_id, hosted.delivered, PAGE_MESSAGES)
            if not page.messages or self._hosted.get(conversation_id) is not hosted:
                return False
            for message in page.messages:
                if message.seq == hosted.delivered + 1:
                    self._emit(hosted, message)
        hosted.pending = {seq: pending for seq, pending in hosted.pending.items() if seq > hosted.delivered}
        self._metrics.gaps_repaired.inc()
        return True

    async def close(self) -> None:
        """Cancel the gap repairs in progress."""
        repairs = [hosted.repair for hosted in self._hosted.values() if hosted.repair is not None]
        for repair in repairs:
            repair.cancel()
        await asyncio.gather(*repairs, return_exceptions=True)


def _is_newer(conversation: Conversation, known: Conversation) -> bool:
    """Return whether a state replaces the known one; a mail address does not change the version."""
    if conversation.version != known.version:
        return conversation.version > known.version
    return conversation.customer_email not in (UNSET, known.customer_email)
