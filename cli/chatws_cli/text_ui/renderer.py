"""Renders state changes of one conversation as lines of text."""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import Enum, auto
from functools import singledispatchmethod
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET, structs

from chatws.protocol.events import BotNotice, Failed, ServerDraining
from chatws.protocol.responses import InboxAck
from chatws_cli.presentation.changes import (
    CaughtUp,
    ConnectionChanged,
    MessageAdded,
    NoteShown,
    OwnMessagesRead,
    PresenceChanged,
    StatusChanged,
    ThreadReloaded,
    TypingStateChanged,
)
from chatws_cli.presentation.conversation_status import describe_status
from chatws_cli.presentation.customer import name_with_mail
from chatws_cli.presentation.sanitize import clean, clean_line, excerpt
from chatws_cli.presentation.state import ChatState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Conversation, Message
    from chatws_cli.presentation.changes import Change
    from chatws_cli.presentation.thread import Thread
    from chatws_cli.presentation.timeline_items import MessageItem

MARGIN = "       "
"""As wide as the time in front of a message."""

_SHOWN_ATTEMPTS = frozenset({1, 2, 3, 5})
_SHOWN_EVERY = 10
"""A long outage must not scroll the conversation away: after the first attempts, every tenth is shown."""


class LineKind(Enum):
    """Colour class of a line; the text alone carries the same meaning."""

    OTHERS = auto()
    OWN = auto()
    NOTICE = auto()
    PROBLEM = auto()


class OutputLine(NamedTuple):
    """Line to print, without control characters."""

    kind: LineKind
    text: str


class TextRenderer:
    """Lines of one open conversation, for the user ``own_id``.

    Each message is shown once. An own message is shown by `stored`, not by its event.
    """

    def __init__(self, own_id: str, zone: tzinfo | None = None) -> None:
        self.conversation_id: str | None = None
        self._state = ChatState("customer", own_id, zone)
        self._day: str | None = None

    @property
    def conversation(self) -> Conversation | None:
        """Latest version of the open conversation."""
        return None if self._thread is None else self._thread.conversation

    @property
    def last_seq(self) -> int:
        """Newest message shown."""
        return 0 if self._thread is None else self._thread.last_seq

    @property
    def first_seq(self) -> int | None:
        """Oldest message shown."""
        return None if self._thread is None else self._thread.first_seq

    @property
    def _thread(self) -> Thread | None:
        return None if self.conversation_id is None else self._state.threads.get(self.conversation_id)

    def open(self, conversation: Conversation, history: Iterable[Message]) -> list[OutputLine]:
        """Show a conversation and its newest messages."""
        state, self.conversation_id = self._state, conversation.conversation_id
        state.threads.clear()
        state.thread(conversation)
        state.conversations.update(conversation)
        state.users.add(conversation.customer)
        lines = [
            self._notice(f"conversation {conversation.conversation_id} with {name_with_mail(conversation)}"),
            self._notice(describe_status(conversation, state.users)),
        ]
        for item in state.load(conversation.conversation_id, history, has_more_before=True):
            lines += self._message(item)
        return lines

    def older(self, messages: Iterable[Message]) -> list[OutputLine]:
        """Show a page of history from before the oldest message shown."""
        items = []
        if self.conversation_id is not None:
            items = self._state.load(self.conversation_id, messages, has_more_before=True)
        if not items:
            return [self._notice("there are no older messages")]
        lines = [line for item in items for line in self._message(item)]
        return [self._notice("older messages:"), *lines, self._notice("end of the older messages")]

    def matches(self, text: str, messages: Iterable[Message]) -> list[OutputLine]:
        """Show the messages that a search has found."""
        lines = [line for message in messages for line in self._message(self._state.item(message))]
        return [self._notice(f"found {clean_line(text)!r}:"), *lines] if lines else [self._notice("nothing found")]

    def apply(self, event: object) -> list[OutputLine]:
        """Show an event; events of other conversations show nothing."""
        if isinstance(event, InboxAck):
            # The client reports each presence of the snapshot again, as an event that is to be shown.
            event = structs.replace(event, presence=[])
        return [line for change in self._state.apply(event, monotonic()) for line in self._render(change)]

    def stored(self, content: str, seq: int, timestamp: str, *, was_shown: bool) -> list[OutputLine]:
        """Show that an own message is stored; ``was_shown``: `queued` has shown its text."""
        changes: list[Change] = []
        if self._thread is not None and self.conversation_id is not None:
            changes = self._state.set_stored(self.conversation_id, content, None, seq, timestamp)
        if was_shown:
            lines = [OutputLine(LineKind.OWN, f"{MARGIN}✓ stored: {excerpt(content)}")]
        else:
            moment = self._state.local_time(timestamp)
            lines = self._lines(LineKind.OWN, moment, "you", clean(content), " ✓ stored")
        return lines + [line for change in changes for line in self._render(change)]

    def queued(self, content: str) -> list[OutputLine]:
        """Show that an own message waits for the server."""
        return [OutputLine(LineKind.OWN, f"{MARGIN}… queued: {excerpt(content)}")]

    def failed(self, content: str, reason: str) -> list[OutputLine]:
        """Show that the server refused an own message."""
        return [OutputLine(LineKind.PROBLEM, f"{MARGIN}! not sent: {excerpt(content)} ({clean_line(reason)})")]

    def unknown(self, content: str, reason: str) -> list[OutputLine]:
        """Show that an own message was sent and not answered, so that it may be stored."""
        why = f"sent, but not acked; it may be stored: {clean_line(reason)}"
        return [OutputLine(LineKind.PROBLEM, f"{MARGIN}? result unknown: {excerpt(content)} ({why})")]

    def presence(self) -> list[OutputLine]:
        """Show the presence of the other users of the conversation."""
        others = [
            (user_id, status) for user_id, status in self._state.users.presences().items() if self._shows(user_id)
        ]
        if not others:
            return [self._notice("no other user is here")]
        return [self._notice(f"{self._state.users.name(user_id)} is {status}") for user_id, status in others]

    @singledispatchmethod
    def _render(self, change: Change) -> list[OutputLine]:
        del change
        return []

    @_render.register
    def _added(self, change: MessageAdded) -> list[OutputLine]:
        return self._message(change.item) if change.conversation_id == self.conversation_id else []

    @_render.register
    def _noted(self, change: NoteShown) -> list[OutputLine]:
        if change.conversation_id != self.conversation_id:
            return []
        return self._lines(LineKind.NOTICE, change.item.moment, f"[{change.item.label}]", change.item.text)

    @_render.register
    def _typing(self, change: TypingStateChanged) -> list[OutputLine]:
        if change.conversation_id != self.conversation_id:
            return []
        return [self._notice(f"{change.name} is typing…" if change.is_typing else f"{change.name} stopped typing")]

    @_render.register
    def _was_read(self, change: OwnMessagesRead) -> list[OutputLine]:
        if change.conversation_id != self.conversation_id:
            return []
        return [OutputLine(LineKind.OWN, f"{MARGIN}✓ read by {change.reader}")]

    @_render.register
    def _present(self, change: PresenceChanged) -> list[OutputLine]:
        if not self._shows(change.user_id):
            return []
        return [self._notice(f"{self._state.users.name(change.user_id)} is {change.status}")]

    @_render.register
    def _status(self, change: StatusChanged) -> list[OutputLine]:
        if change.conversation.conversation_id != self.conversation_id:
            return []
        return [self._notice(describe_status(change.conversation, self._state.users))]

    @_render.register
    def _caught_up(self, change: CaughtUp) -> list[OutputLine]:
        if change.conversation_id != self.conversation_id:
            return []
        count = f"{change.missed} message{'' if change.missed == 1 else 's'} caught up"
        return [self._notice(f"reconnected, {count}" if change.missed else "reconnected, nothing was missed")]

    @_render.register
    def _reloaded(self, change: ThreadReloaded) -> list[OutputLine]:
        if change.conversation_id != self.conversation_id:
            return []
        lines = [line for item in change.items for line in self._message(item)]
        return [self._notice("reconnected; the conversation was reloaded"), *lines]

    @_render.register
    def _bot(self, event: BotNotice) -> list[OutputLine]:
        if event.conversation_id != self.conversation_id:
            return []
        reason = "" if event.reason is UNSET else f": {clean_line(event.reason)}"
        summary = "the bot had no answer" if event.kind == "failed" else "handed off to an agent"
        return [self._notice(f"{summary}{reason}")]

    @_render.register
    def _draining(self, event: ServerDraining) -> list[OutputLine]:
        del event
        return [self._notice("the server is restarting")]

    @_render.register
    def _failed(self, event: Failed) -> list[OutputLine]:
        return [OutputLine(LineKind.PROBLEM, f"{MARGIN}error from the server: {clean_line(event.message)}")]

    @_render.register
    def _connection(self, changed: ConnectionChanged) -> list[OutputLine]:
        change = changed.change
        if change.state == "reconnecting":
            reason = f" ({clean_line(change.reason)})" if change.attempt == 1 else ""
            if change.attempt in _SHOWN_ATTEMPTS or change.attempt % _SHOWN_EVERY == 0:
                return [self._notice(f"connection lost{reason}, trying again (attempt {change.attempt})")]
            return []
        if change.state == "disconnected":
            return [self._notice(f"disconnected: {clean_line(change.reason)}")]
        return []

    def _shows(self, user_id: str) -> bool:
        """Return whether a user's presence is shown: not the own one, nor that of another conversation's customer."""
        if user_id == self._state.own_id:
            return False
        return self._state.conversations.id_for_customer(user_id) in {None, self.conversation_id}

    def _message(self, item: MessageItem) -> list[OutputLine]:
        assert item.moment is not None
        kind = LineKind.OWN if item.is_own else LineKind.OTHERS
        return self._lines(kind, item.moment, item.label, item.text)

    def _lines(self, kind: LineKind, moment: datetime, label: str, text: str, mark: str = "") -> list[OutputLine]:
        first, *more = text.split("\n")
        lines = self._date_line(moment)
        lines.append(OutputLine(kind, f"{moment:%H:%M}  {label}: {first}{'' if more else mark}"))
        lines += [OutputLine(kind, f"{MARGIN}{row}") for row in more]
        if more and mark:
            lines.append(OutputLine(kind, f"{MARGIN}{mark.strip()}"))
        return lines

    def _date_line(self, moment: datetime) -> list[OutputLine]:
        day = f"{moment:%Y-%m-%d}"
        if day == self._day:
            return []
        self._day = day
        return [self._notice(f"-- {day} --")]

    def _notice(self, text: str) -> OutputLine:
        return OutputLine(LineKind.NOTICE, f"{MARGIN}{text}")
