"""State of a chat terminal: reduces SDK events to threads, users and conversations, and reports each change."""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client import ConnectionChange, ConversationJoined, ConversationReloaded, MessageReceived
from chatws.protocol.entities import Conversation, Message, Note, Presence
from chatws.protocol.events import (
    Authenticated,
    BotNotice,
    ConversationUpdated,
    Failed,
    MessageRead,
    ServerDraining,
    TypingIndicator,
)
from chatws.protocol.responses import InboxAck
from chatws_cli.presentation.changes import (
    CaughtUp,
    Change,
    ConnectionChanged,
    MessageAdded,
    NoteShown,
    OwnMessagesRead,
    PresenceChanged,
    StatusChanged,
    ThreadReloaded,
    TypingStateChanged,
)
from chatws_cli.presentation.connection_status import ConnectionStatus
from chatws_cli.presentation.conversation_index import ConversationIndex
from chatws_cli.presentation.sanitize import clean, clean_line
from chatws_cli.presentation.thread import Thread
from chatws_cli.presentation.timeline_items import NO_SEQ, DeliveryState, MessageItem, NoteItem
from chatws_cli.presentation.users import Users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Role


class ChatState:
    """Users, conversations, threads and connection of one terminal.

    ``own_id`` may be empty until `Authenticated` is applied. ``now`` arguments are seconds of a monotonic clock.
    """

    def __init__(self, role: Role, own_id: str = "", zone: tzinfo | None = None) -> None:
        self.role = role
        self.own_name = ""
        self.users = Users(own_id)
        self.conversations = ConversationIndex()
        self.connection = ConnectionStatus()
        self.threads: dict[str, Thread] = {}
        self._zone = zone

    @property
    def own_id(self) -> str:
        """Id of the terminal's user."""
        return self.users.own_id

    def thread(self, conversation: Conversation) -> Thread:
        """Return the thread of a conversation; create it on first use."""
        known = self.threads.get(conversation.conversation_id)
        if known is None:
            known = self.threads[conversation.conversation_id] = Thread(conversation)
        return known

    def load(self, conversation_id: str, messages: Iterable[Message], *, has_more_before: bool) -> list[MessageItem]:
        """Add a page of a conversation's history; return the messages that were not present."""
        items = [self.item(message) for message in messages]
        return self.threads[conversation_id].merge(items, has_more_before=has_more_before)

    def post(self, conversation_id: str, content: str, client_message_id: str, moment: datetime) -> None:
        """Add an own message that is not stored yet."""
        item = self._own_item(NO_SEQ, content, moment.astimezone(self._zone), "queued", client_message_id)
        self.threads[conversation_id].post(item)

    def set_stored(
        self, conversation_id: str, content: str, client_message_id: str | None, seq: int, timestamp: str
    ) -> list[Change]:
        """Mark an own message as stored."""
        item = self._own_item(seq, content, self.local_time(timestamp), None, client_message_id)
        thread = self.threads[conversation_id]
        thread.add(item)
        thread.add_unread_own(seq)
        return self._take_new_reader(conversation_id)

    def item(self, message: Message) -> MessageItem:
        """Return the timeline item of a message."""
        self.users.add(message.sender)
        return MessageItem(
            message.seq,
            self.users.label(message.sender),
            message.sender.role,
            message.sender.user_id == self.own_id,
            clean(message.content),
            self.local_time(message.timestamp),
            client_message_id=None if message.client_message_id is UNSET else message.client_message_id,
        )

    def local_time(self, timestamp: str) -> datetime:
        """Convert a timestamp of the wire to the terminal's time zone."""
        return datetime.fromisoformat(timestamp).astimezone(self._zone)

    def apply(self, event: object, now: float) -> list[Change]:
        """Apply an event of the SDK; return the changes to render. Unknown events change nothing."""
        if isinstance(event, ConnectionChange):
            return self._change_connection(event, now)
        return self._apply(event)

    @singledispatchmethod
    def _apply(self, event: object) -> list[Change]:
        del event
        return []

    @_apply.register
    def _authenticated(self, user: Authenticated) -> list[Change]:
        self.users.own_id, self.own_name, self.role = user.user_id, clean_line(user.user_name), user.role
        return []

    @_apply.register
    def _received(self, event: MessageReceived) -> list[Change]:
        message = event.message
        thread = self.threads.get(message.conversation_id)
        if thread is None:
            return []
        thread.typing.pop(message.sender.user_id, None)
        item, previous_seq = self.item(message), thread.last_seq
        is_new = thread.add(item)
        changes: list[Change] = []
        if not event.own:
            if not is_new:
                return []
            if item.is_own:
                thread.add_unread_own(item.seq)
            thread.caught_up += event.caught_up
            changes.append(MessageAdded(message.conversation_id, item, previous_seq, event.caught_up))
        return changes + self._finish_catching_up(message.conversation_id, thread)

    @_apply.register
    def _noted(self, note: Note) -> list[Change]:
        thread = self.threads.get(note.conversation_id)
        if thread is None:
            return []
        label = f"note of {'you' if note.author.user_id == self.own_id else self.users.add(note.author)}"
        item = NoteItem(note.after_seq, note.note_id, label, clean(note.content), self.local_time(note.timestamp))
        return [NoteShown(note.conversation_id, item)] if thread.add_note(item) else []

    @_apply.register
    def _typed(self, event: TypingIndicator) -> list[Change]:
        thread = self.threads.get(event.conversation_id)
        if thread is None:
            return []
        name = self.users.add_if_unknown(event.user_id, event.user_name)
        was_typing = event.user_id in thread.typing
        if event.is_typing:
            thread.typing[event.user_id] = clean_line(event.user_name)
        else:
            thread.typing.pop(event.user_id, None)
        if event.is_typing == was_typing:
            return []
        return [TypingStateChanged(event.conversation_id, name, event.is_typing)]

    @_apply.register
    def _was_read(self, event: MessageRead) -> list[Change]:
        thread = self.threads.get(event.conversation_id)
        if thread is None:
            return []
        if event.user_id == self.own_id:
            thread.own_mark = max(thread.own_mark, event.seq)
            return []
        thread.set_read_mark(event.user_id, event.seq)
        return self._take_new_reader(event.conversation_id)

    @_apply.register
    def _present(self, presence: Presence) -> list[Change]:
        is_reported = self.users.set_presence(presence)
        return [PresenceChanged(presence.user_id, presence.status)] if is_reported else []

    @_apply.register
    def _inbox(self, event: InboxAck) -> list[Change]:
        for presence in event.presence:
            self.users.set_presence(presence)
        return [change for conversation in event.conversations for change in self._update(conversation)]

    @_apply.register
    def _updated(self, event: ConversationUpdated) -> list[Change]:
        return self._update(event.conversation)

    @_apply.register
    def _joined(self, event: ConversationJoined) -> list[Change]:
        conversation = event.ack.conversation
        changes = self._update(conversation)
        thread = self.thread(conversation)
        for mark in event.ack.read_marks:
            if mark.user_id == self.own_id:
                thread.own_mark = max(thread.own_mark, mark.seq)
            else:
                thread.raise_read_seq(mark.seq)
        if event.again and event.ack.recovered:
            thread.catch_up_to, thread.caught_up = conversation.head_seq, 0
            changes += self._finish_catching_up(conversation.conversation_id, thread)
        return [*changes, event]

    @_apply.register
    def _reloaded(self, event: ConversationReloaded) -> list[Change]:
        thread = self.threads.get(event.conversation_id)
        if thread is None:
            return []
        items = [self.item(message) for message in event.messages]
        thread.reload(items, has_more_before=event.has_more_before)
        return [ThreadReloaded(event.conversation_id, items)]

    @_apply.register
    def _draining(self, event: ServerDraining) -> list[Change]:
        return [event]

    @_apply.register
    def _bot(self, event: BotNotice) -> list[Change]:
        return [event] if event.conversation_id in self.threads else []

    @_apply.register
    def _failed(self, event: Failed) -> list[Change]:
        return [event]

    def _change_connection(self, change: ConnectionChange, now: float) -> list[Change]:
        previous = self.connection.state
        self.connection.apply(change, now)
        if change.state == "reconnecting":
            for thread in self.threads.values():
                thread.typing.clear()
        return [ConnectionChanged(change, previous)]

    def _update(self, conversation: Conversation) -> list[Change]:
        self.users.add(conversation.customer)
        if conversation.assignee is not None:
            self.users.add(conversation.assignee)
        self.conversations.update(conversation)
        thread = self.threads.get(conversation.conversation_id)
        if thread is None or conversation.version < thread.conversation.version:
            return []
        is_newer = conversation.version != thread.conversation.version
        thread.conversation = conversation
        return [StatusChanged(conversation)] if is_newer else []

    def _finish_catching_up(self, conversation_id: str, thread: Thread) -> list[Change]:
        if thread.catch_up_to is None or thread.last_seq < thread.catch_up_to:
            return []
        thread.catch_up_to = None
        return [CaughtUp(conversation_id, thread.caught_up)]

    def _take_new_reader(self, conversation_id: str) -> list[Change]:
        reader = self.threads[conversation_id].take_new_reader()
        return [] if reader is None else [OwnMessagesRead(conversation_id, self.users.name(reader))]

    def _own_item(
        self, seq: int, content: str, moment: datetime, state: DeliveryState | None, client_message_id: str | None
    ) -> MessageItem:
        return MessageItem(seq, "you", self.role, True, clean(content), moment, state, client_message_id)
