"""The whole screen's state: every event goes through ``apply``, and nothing else changes what others did."""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client import ConnectionChange, ConversationJoined, ConversationReloaded, MessageReceived
from chatws.protocol.entities import Conversation, Message, Presence, Role
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
from chatws_cli.presentation.connection_status import ConnectionStatus
from chatws_cli.presentation.sanitize import clean_line
from chatws_cli.presentation.thread import Thread
from chatws_cli.presentation.timeline_items import NO_SEQ, MessageItem, shown
from chatws_cli.presentation.users import Users
from chatws_cli.screen.conversation_list import ConversationIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

_STATUS_LINES = {
    "bot": "the bot answers here",
    "queued": "waiting for an agent",
    "resolved": "the conversation is closed; a message of the customer reopens it",
}


class ScreenState:
    """What one terminal knows.

    ``now`` is a monotonic clock's seconds. `Authenticated` comes first and says who we are.
    """

    def __init__(self, role: Role, zone: tzinfo | None = None) -> None:
        self.role = role
        self.own_id = ""
        self.own_name = ""
        self.people = Users("")
        self.roster = ConversationIndex()
        self.link = ConnectionStatus()
        self.threads: dict[str, Thread] = {}
        self.current_id: str | None = None
        self.is_looking = True
        """Somebody sees the newest messages: the window has the focus and stands at its end."""
        self.message = ""
        """The last thing to tell that belongs to no conversation."""
        self.rings = 0
        """Messages of others so far that came while nobody looked."""
        self._zone = zone

    @property
    def current(self) -> Thread | None:
        """The conversation that is open."""
        return None if self.current_id is None else self.threads.get(self.current_id)

    @property
    def queued(self) -> int:
        """Own messages that are not stored, in all conversations."""
        return sum(thread.queued for thread in self.threads.values())

    @property
    def unread(self) -> int:
        """Messages in other conversations that nobody has looked at."""
        return sum(thread.unread for key, thread in self.threads.items() if key != self.current_id)

    def thread(self, conversation: Conversation) -> Thread:
        """Return a conversation's thread; made if it is the first time."""
        known = self.threads.get(conversation.conversation_id)
        if known is None:
            known = self.threads[conversation.conversation_id] = Thread(conversation)
        return known

    def open(self, conversation_id: str) -> None:
        """Show a conversation; what is unread in it gets its line."""
        if conversation_id == self.current_id:
            return
        if self.current is not None:
            self.current.new_after = None
        self.current_id = conversation_id
        thread = self.threads[conversation_id]
        if thread.unread:
            thread.new_after = thread.own_mark
        thread.seen()

    def load(self, conversation_id: str, messages: Iterable[Message], *, has_more_before: bool) -> None:
        """Take a page of a conversation's history."""
        entries = [self.entry(message) for message in messages]
        self.threads[conversation_id].merge(entries, has_more_before=has_more_before)

    def post(self, conversation_id: str, content: str, client_message_id: str, moment: datetime) -> None:
        """Show an own message that is on its way."""
        entry = MessageItem(
            NO_SEQ, "you", self.role, True, shown(content), moment.astimezone(self._zone), "queued", client_message_id
        )
        self.threads[conversation_id].post(entry)

    def stored(self, conversation_id: str, content: str, client_message_id: str, seq: int, timestamp: str) -> None:
        """Show that an own message is stored."""
        moment = self._moment(timestamp)
        entry = MessageItem(seq, "you", self.role, True, shown(content), moment, client_message_id=client_message_id)
        self.threads[conversation_id].settle(client_message_id, entry)

    def failed(self, conversation_id: str, client_message_id: str, reason: str) -> None:
        """Show that an own message was refused for good."""
        thread = self.threads[conversation_id]
        thread.set_state(client_message_id, "failed")
        thread.notice(f"not sent: {clean_line(reason)}", is_problem=True)

    def tell(self, text: str, *, is_problem: bool = False) -> None:
        """Say something where people look: in the open conversation, or in the bar when there is none."""
        if self.current is None:
            self.message = text
        else:
            self.current.notice(text, is_problem=is_problem)

    def look(self, *, is_looking: bool) -> None:
        """Note whether somebody sees what comes."""
        if is_looking and self.current is not None:
            self.current.seen()
        if self.is_looking and not is_looking and self.current is not None:
            self.current.new_after = None
        self.is_looking = is_looking

    def entry(self, message: Message) -> MessageItem:
        """Make what is shown of a message."""
        self.people.meet(message.sender)
        return MessageItem(
            message.seq,
            self.people.label(message.sender),
            message.sender.role,
            message.sender.user_id == self.own_id,
            shown(message.content),
            self._moment(message.timestamp),
            client_message_id=None if message.client_message_id is UNSET else message.client_message_id,
        )

    def apply(self, event: object, now: float) -> None:
        """Take what happened; what a reader need not know changes nothing."""
        if isinstance(event, ConnectionChange):
            self._link_changed(event, now)
        else:
            self._apply(event)

    @singledispatchmethod
    def _apply(self, event: object) -> None:
        del event

    @_apply.register
    def _authenticated(self, user: Authenticated) -> None:
        if user.user_id != self.own_id:
            self.own_id, self.own_name = user.user_id, clean_line(user.user_name)
            self.people = Users(user.user_id)

    @_apply.register
    def _received(self, event: MessageReceived) -> None:
        message = event.message
        thread = self.threads.get(message.conversation_id)
        if thread is None:
            return
        thread.typing.pop(message.sender.user_id, None)
        entry = self.entry(message)
        before = thread.last_seq
        if not thread.add(entry) or entry.is_own:
            return
        is_seen = message.conversation_id == self.current_id and self.is_looking
        if not is_seen:
            thread.unread += 1
            self.rings += not event.caught_up
            if thread.new_after is None and message.conversation_id == self.current_id:
                thread.new_after = before

    @_apply.register
    def _typed(self, event: TypingIndicator) -> None:
        thread = self.threads.get(event.conversation_id)
        if thread is None:
            return
        if event.is_typing:
            thread.typing[event.user_id] = clean_line(event.user_name)
        else:
            thread.typing.pop(event.user_id, None)

    @_apply.register
    def _was_read(self, event: MessageRead) -> None:
        thread = self.threads.get(event.conversation_id)
        if thread is None:
            return
        if event.user_id == self.own_id:
            thread.own_mark = max(thread.own_mark, event.seq)
        else:
            thread.read_by_others(event.seq)

    @_apply.register
    def _present(self, presence: Presence) -> None:
        if not self.people.note(presence) or self.current is None:
            return
        conversation = self.current.conversation
        members = {conversation.customer.user_id}
        if conversation.assignee is not None:
            members.add(conversation.assignee.user_id)
        if presence.user_id in members or self.role == "customer":
            self.current.notice(f"{self.people.name(presence.user_id)} is {presence.status}")

    @_apply.register
    def _inbox(self, event: InboxAck) -> None:
        for presence in event.presence:
            self.people.note(presence)
        for conversation in event.conversations:
            self._note(conversation)

    @_apply.register
    def _updated(self, event: ConversationUpdated) -> None:
        self._note(event.conversation)

    @_apply.register
    def _joined(self, event: ConversationJoined) -> None:
        conversation = event.ack.conversation
        self._note(conversation)
        thread = self.thread(conversation)
        for mark in event.ack.read_marks:
            if mark.user_id == self.own_id:
                thread.own_mark = max(thread.own_mark, mark.seq)
            else:
                thread.read_by_others(mark.seq)
        newest = conversation.last_message
        is_answered = newest is None or newest.sender.user_id == self.own_id
        if not event.again and conversation.conversation_id != self.current_id:
            thread.unread = 0 if is_answered else max(0, conversation.head_seq - thread.own_mark)

    @_apply.register
    def _reloaded(self, event: ConversationReloaded) -> None:
        thread = self.threads.get(event.conversation_id)
        if thread is not None:
            entries = [self.entry(message) for message in event.messages]
            thread.reload(entries, has_more_before=event.has_more_before)
            thread.notice("the server's database is another one; the conversation was loaded anew")

    @_apply.register
    def _draining(self, event: ServerDraining) -> None:
        del event
        self.tell("the server is restarting")

    @_apply.register
    def _bot(self, event: BotNotice) -> None:
        thread = self.threads.get(event.conversation_id)
        if thread is not None:
            why = "" if event.reason is UNSET else f": {clean_line(event.reason)}"
            words = "the bot had no answer" if event.kind == "failed" else "the bot handed over to an agent"
            thread.notice(f"{words}{why}", is_problem=event.kind == "failed")

    @_apply.register
    def _complaint(self, event: Failed) -> None:
        self.tell(f"the server says: {clean_line(event.message)}", is_problem=True)

    def _link_changed(self, change: ConnectionChange, now: float) -> None:
        before = self.link.state
        self.link.apply(change, now)
        if change.state == "connected":
            self.message = ""
            if before == "reconnecting" and self.current is not None:
                self.current.notice("back; nothing is lost")
        elif change.state == "reconnecting":
            for thread in self.threads.values():
                thread.typing.clear()
            if before == "connected" and self.current is not None:
                self.current.notice(f"connection lost ({self.link.reason}); what you write now is kept and sent later")

    def _note(self, conversation: Conversation) -> None:
        self.people.meet(conversation.customer)
        if conversation.assignee is not None:
            self.people.meet(conversation.assignee)
        self.roster.update(conversation)
        thread = self.threads.get(conversation.conversation_id)
        if thread is None or conversation.version < thread.conversation.version:
            return
        is_news = conversation.version != thread.conversation.version
        thread.conversation = conversation
        if is_news:
            thread.notice(self.status_line(conversation))

    def status_line(self, conversation: Conversation) -> str:
        """Say where a conversation stands."""
        if conversation.status != "assigned" or conversation.assignee is None:
            return _STATUS_LINES.get(conversation.status, "an agent has the conversation")
        if conversation.assignee.user_id == self.own_id:
            return "you have taken the conversation"
        return f"{self.people.meet(conversation.assignee)} has taken the conversation"

    def _moment(self, timestamp: str) -> datetime:
        return datetime.fromisoformat(timestamp).astimezone(self._zone)
