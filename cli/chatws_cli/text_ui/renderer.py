"""What a person sees of a conversation: every happening becomes the lines to print."""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import Enum, auto
from functools import singledispatchmethod
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from chatws.client.core.sdk_events import ConnectionChange, ConversationJoined, ConversationReloaded, MessageReceived
from chatws.protocol.entities import Conversation, Message, Presence, User
from chatws.protocol.events import BotNotice, ConversationUpdated, Failed, MessageRead, ServerDraining, TypingIndicator
from chatws.protocol.responses import InboxAck
from chatws_cli.presentation.sanitize import clean, clean_line, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROLE_LABELS = {"admin": "agent", "customer": "customer", "bot": "bot"}
_MARGIN = "       "
"""As wide as the time in front of a message."""

_STATUS_LINES = {
    "bot": "the bot answers here",
    "queued": "waiting for an agent",
    "assigned": "{assignee} has taken the conversation",
    "resolved": "the conversation is closed; a message of the customer reopens it",
}
_STRANGER = "an agent"

_TOLD_ATTEMPTS = frozenset({1, 2, 3, 5})
_TELL_EVERY = 10
"""An outage of hours should not scroll the conversation away."""


class LineKind(Enum):
    """What a line is, for its colour; the words alone say it, too."""

    OTHERS = auto()
    OWN = auto()
    NOTICE = auto()
    PROBLEM = auto()


class OutputLine(NamedTuple):
    """A line to print; its text holds nothing that a terminal obeys."""

    kind: LineKind
    text: str


class TextRenderer:
    """One conversation as its reader knows it.

    ``own_id`` is the reader. Messages are shown once each, by ``seq``; the reader's own ones from `stored`.
    """

    def __init__(self, own_id: str, zone: tzinfo | None = None) -> None:
        self.conversation_id: str | None = None
        self.conversation: Conversation | None = None
        self.last_seq = 0
        """The newest message shown."""
        self.first_seq: int | None = None
        """The oldest one shown."""
        self._own_id = own_id
        self._zone = zone
        self._names: dict[str, str] = {}
        self._presence: dict[str, str] = {}
        self._elsewhere: set[str] = set()
        """Customers of other conversations, whom an inbox tells of; their presence is not shown."""
        self._typing: set[str] = set()
        self._own_seqs: list[int] = []
        """Own messages nobody has read yet, ascending."""
        self._read: dict[str, int] = {}
        self._day: str | None = None
        self._catch_up_to: int | None = None
        self._caught_up = 0

    def open(self, conversation: Conversation, history: Iterable[Message]) -> list[OutputLine]:
        """Begin with a conversation and its newest messages."""
        self.conversation_id, self.last_seq, self.first_seq = conversation.conversation_id, 0, None
        for known in (self._typing, self._own_seqs, self._read):
            known.clear()
        lines = [self._notice(f"conversation {conversation.conversation_id} with {self._name(conversation.customer)}")]
        lines += self._note_conversation(conversation)
        for message in history:
            lines += self._message(message)
        return lines

    def older(self, messages: Iterable[Message]) -> list[OutputLine]:
        """Show a page from before the oldest message shown."""
        page = list(messages)
        if not page:
            return [self._notice("there are no older messages")]
        self.first_seq = page[0].seq
        lines = [self._notice("older messages:")]
        lines += [line for message in page for line in self._plain(message, self._label(message))]
        return [*lines, self._notice("end of the older messages")]

    @singledispatchmethod
    def apply(self, happening: object) -> list[OutputLine]:
        """Show what happened; happenings of other conversations, and those a reader need not know, show nothing."""
        del happening
        return []

    def stored(self, content: str, seq: int, timestamp: str, *, was_shown: bool) -> list[OutputLine]:
        """Show that an own message is stored; ``was_shown`` says that `queued` has shown its text."""
        self._seen(seq)
        self._own_seqs.append(seq)
        if was_shown:
            return [OutputLine(LineKind.OWN, f"{_MARGIN}✓ stored: {excerpt(content)}"), *self._read_lines()]
        return [*self._lines(LineKind.OWN, timestamp, "you", content, " ✓ stored"), *self._read_lines()]

    def queued(self, content: str) -> list[OutputLine]:
        """Show that an own message waits for the server."""
        return [OutputLine(LineKind.OWN, f"{_MARGIN}… queued: {excerpt(content)}")]

    def failed(self, content: str, reason: str) -> list[OutputLine]:
        """Show that an own message was refused for good."""
        return [OutputLine(LineKind.PROBLEM, f"{_MARGIN}! not sent: {excerpt(content)} ({clean_line(reason)})")]

    def who(self) -> list[OutputLine]:
        """Say who is here and how they are."""
        hidden = {self._own_id, *self._elsewhere}
        others = [(user_id, status) for user_id, status in self._presence.items() if user_id not in hidden]
        if not others:
            return [self._notice("nobody else is here")]
        return [self._notice(f"{self._known(user_id)} is {status}") for user_id, status in others]

    @apply.register
    def _received(self, event: MessageReceived) -> list[OutputLine]:
        message = event.message
        if message.conversation_id != self.conversation_id or (message.seq <= self.last_seq and not event.own):
            return []
        lines = [] if event.own else self._message(message)
        self._seen(message.seq)
        if event.caught_up and not event.own:
            self._caught_up += 1
        return lines + self._finish_catching_up()

    def _message(self, message: Message) -> list[OutputLine]:
        self._typing.discard(message.sender.user_id)
        self._seen(message.seq)
        if message.sender.user_id == self._own_id:
            self._own_seqs.append(message.seq)
        return self._plain(message, self._label(message))

    def _plain(self, message: Message, label: str) -> list[OutputLine]:
        kind = LineKind.OWN if message.sender.user_id == self._own_id else LineKind.OTHERS
        return self._lines(kind, message.timestamp, label, message.content)

    def _lines(self, kind: LineKind, timestamp: str, label: str, content: str, mark: str = "") -> list[OutputLine]:
        first, *more = clean(content).split("\n")
        moment = self._moment(timestamp)
        lines = self._day_line(moment)
        lines.append(OutputLine(kind, f"{moment:%H:%M}  {label}: {first}{'' if more else mark}"))
        lines += [OutputLine(kind, f"{_MARGIN}{text}") for text in more]
        if more and mark:
            lines.append(OutputLine(kind, f"{_MARGIN}{mark.strip()}"))
        return lines

    def _label(self, message: Message) -> str:
        if message.sender.user_id == self._own_id:
            return "you"
        return f"{self._name(message.sender)} ({_ROLE_LABELS[message.sender.role]})"

    @apply.register
    def _typed(self, event: TypingIndicator) -> list[OutputLine]:
        if event.conversation_id != self.conversation_id:
            return []
        name = self._names.setdefault(event.user_id, clean_line(event.user_name))
        if event.is_typing and event.user_id not in self._typing:
            self._typing.add(event.user_id)
            return [self._notice(f"{name} is typing…")]
        if not event.is_typing and event.user_id in self._typing:
            self._typing.discard(event.user_id)
            return [self._notice(f"{name} stopped typing")]
        return []

    @apply.register
    def _was_read(self, event: MessageRead) -> list[OutputLine]:
        if event.user_id == self._own_id or event.conversation_id != self.conversation_id:
            return []
        self._read[event.user_id] = max(event.seq, self._read.get(event.user_id, 0))
        return self._read_lines()

    def _read_lines(self) -> list[OutputLine]:
        """Say who has read own messages, once for each message: an ack may come after the mark that covers it."""
        for user_id, seq in self._read.items():
            if self._own_seqs and self._own_seqs[0] <= seq:
                self._own_seqs = [own for own in self._own_seqs if own > seq]
                return [OutputLine(LineKind.OWN, f"{_MARGIN}✓ read by {self._known(user_id)}")]
        return []

    @apply.register
    def _present(self, presence: Presence) -> list[OutputLine]:
        known = self._presence.get(presence.user_id)
        self._presence[presence.user_id] = presence.status
        is_news = known != presence.status and (known is not None or presence.status != "offline")
        if presence.user_id == self._own_id or presence.user_id in self._elsewhere or not is_news:
            return []
        return [self._notice(f"{self._known(presence.user_id)} is {presence.status}")]

    @apply.register
    def _bot_notice(self, event: BotNotice) -> list[OutputLine]:
        if event.conversation_id != self.conversation_id:
            return []
        reason = "" if event.reason is UNSET else f": {clean_line(event.reason)}"
        what = "the bot has no answer" if event.kind == "failed" else "left the bot"
        return [self._notice(f"{what}{reason}")]

    @apply.register
    def _inbox(self, event: InboxAck) -> list[OutputLine]:
        return [line for conversation in event.conversations for line in self._note_conversation(conversation)]

    @apply.register
    def _updated(self, event: ConversationUpdated) -> list[OutputLine]:
        return self._note_conversation(event.conversation)

    def _note_conversation(self, conversation: Conversation) -> list[OutputLine]:
        self._name(conversation.customer)
        assignee = "nobody" if conversation.assignee is None else self._name(conversation.assignee)
        if conversation.conversation_id != self.conversation_id:
            self._elsewhere.add(conversation.customer.user_id)
            return []
        self._elsewhere.discard(conversation.customer.user_id)
        before, self.conversation = self.conversation, conversation
        is_same = before is not None and before.conversation_id == conversation.conversation_id
        if is_same and before is not None and before.version == conversation.version:
            return []
        if conversation.assignee is not None and conversation.assignee.user_id == self._own_id:
            assignee = "you"
        line = _STATUS_LINES[conversation.status].format(assignee=assignee)
        return [self._notice(line.replace("you has", "you have"))]

    @apply.register
    def _back(self, joined: ConversationJoined) -> list[OutputLine]:
        if joined.conversation_id != self.conversation_id:
            return []
        if not joined.again:
            return []
        lines = self._note_conversation(joined.ack.conversation)
        if joined.ack.recovered:
            self._catch_up_to, self._caught_up = joined.ack.conversation.head_seq, 0
        return lines + self._finish_catching_up()

    def _finish_catching_up(self) -> list[OutputLine]:
        if self._catch_up_to is None or self.last_seq < self._catch_up_to:
            return []
        self._catch_up_to = None
        count = f"{self._caught_up} message{'' if self._caught_up == 1 else 's'} caught up"
        return [self._notice(f"back, {count}" if self._caught_up else "back, nothing was missed")]

    @apply.register
    def _reloaded(self, event: ConversationReloaded) -> list[OutputLine]:
        if event.conversation_id != self.conversation_id:
            return []
        self.last_seq, self._catch_up_to = 0, None
        self._own_seqs.clear()
        lines = [self._notice("back; the conversation was loaded anew")]
        for message in event.messages:
            lines += self._message(message)
        return lines

    @apply.register
    def _draining(self, event: ServerDraining) -> list[OutputLine]:
        del event
        return [self._notice("the server is restarting")]

    @apply.register
    def _complaint(self, event: Failed) -> list[OutputLine]:
        return [OutputLine(LineKind.PROBLEM, f"{_MARGIN}the server says: {clean_line(event.message)}")]

    @apply.register
    def _link(self, change: ConnectionChange) -> list[OutputLine]:
        if change.state == "reconnecting":
            reason = f" ({clean_line(change.reason)})" if change.attempt == 1 else ""
            if change.attempt in _TOLD_ATTEMPTS or change.attempt % _TELL_EVERY == 0:
                return [self._notice(f"connection lost{reason}, trying again (attempt {change.attempt})")]
            return []
        if change.state == "disconnected":
            return [self._notice(f"disconnected: {clean_line(change.reason)}")]
        return []

    def _seen(self, seq: int) -> None:
        self.last_seq = max(self.last_seq, seq)
        self.first_seq = seq if self.first_seq is None else min(self.first_seq, seq)

    def _name(self, user: User) -> str:
        name = clean_line(user.user_name) or user.user_id
        self._names[user.user_id] = name
        return name

    def _known(self, user_id: str) -> str:
        # Presence comes without names; a conversation's customer is always known, so it is a colleague or our agent.
        return self._names.get(user_id, _STRANGER)

    def _moment(self, timestamp: str) -> datetime:
        return datetime.fromisoformat(timestamp).astimezone(self._zone)

    def _day_line(self, moment: datetime) -> list[OutputLine]:
        day = f"{moment:%Y-%m-%d}"
        if day == self._day:
            return []
        self._day = day
        return [self._notice(f"-- {day} --")]

    def _notice(self, text: str) -> OutputLine:
        return OutputLine(LineKind.NOTICE, f"{_MARGIN}{text}")
