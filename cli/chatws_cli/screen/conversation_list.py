"""Conversation list of the full screen: filter, order, and the two lines of each row."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatws_cli.presentation.customer import name_with_mail
from chatws_cli.presentation.sanitize import clean_line, excerpt, head, width
from chatws_cli.presentation.users import DOTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from chatws.protocol.entities import Conversation
    from chatws_cli.presentation.conversation_index import ConversationIndex
    from chatws_cli.presentation.thread import Thread
    from chatws_cli.presentation.users import Users

Filter = Literal["open", "mine", "queue", "all"]
FILTERS: Final[tuple[Filter, ...]] = ("open", "mine", "queue", "all")

_STATUS_WORDS = {"bot": "bot", "queued": "queued", "assigned": "claimed", "resolved": "resolved"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


class ConversationRow(NamedTuple):
    """Two lines of text about one conversation."""

    conversation_id: str
    title: str
    details: str
    unread: int
    is_current: bool
    started: str = ""
    """Day or time of the start; set if another conversation of the list has a customer of this name."""


class FilteredConversations:
    """Part of the known conversations, chosen by status and by the customer's name or mail address."""

    def __init__(self, index: ConversationIndex, zone: tzinfo | None = None) -> None:
        self.filter: Filter = "open"
        self.name_part = ""
        """Text that the customer's name or mail address must contain; empty: any name."""
        self._index = index
        self._zone = zone

    def next_filter(self) -> Filter:
        """Switch to the next filter."""
        self.filter = FILTERS[(FILTERS.index(self.filter) + 1) % len(FILTERS)]
        return self.filter

    def visible(self, own_id: str, threads: Mapping[str, Thread], current: str | None) -> list[Conversation]:
        """Return the conversations that pass the filter, unread ones first; the open one is always included."""
        chosen = [one for one in self._index.by_change() if one.conversation_id == current or self._passes(one, own_id)]
        return sorted(chosen, key=lambda one: unread_of(one, threads) == 0)

    def rows(
        self, own_id: str, threads: Mapping[str, Thread], users: Users, current: str | None, now: datetime
    ) -> list[ConversationRow]:
        """Return the rows of the visible conversations."""
        shown = self.visible(own_id, threads, current)
        counts = Counter(clean_line(one.customer.user_name) for one in shown)
        return [
            _row(one, own_id, threads, users, now, is_current=one.conversation_id == current)._replace(
                started=self._start(one, now) if counts[clean_line(one.customer.user_name)] > 1 else ""
            )
            for one in shown
        ]

    def _start(self, conversation: Conversation, now: datetime) -> str:
        moment = datetime.fromisoformat(conversation.created_at).astimezone(self._zone)
        is_today = moment.date() == now.astimezone(self._zone).date()
        return f"{moment:%H:%M}" if is_today else f"{moment:%d %b}"

    def _passes(self, conversation: Conversation, own_id: str) -> bool:
        if conversation.is_unwritten or self.name_part.casefold() not in name_with_mail(conversation).casefold():
            return False
        match self.filter:
            case "open":
                return conversation.status != "resolved"
            case "mine":
                return conversation.assignee is not None and conversation.assignee.user_id == own_id
            case "queue":
                return conversation.is_unclaimed
            case "all":
                return True


def unread_of(conversation: Conversation, threads: Mapping[str, Thread]) -> int:
    """Return the number of unread messages."""
    thread = threads.get(conversation.conversation_id)
    return 0 if thread is None else thread.unread


def _row(
    conversation: Conversation,
    own_id: str,
    threads: Mapping[str, Thread],
    users: Users,
    now: datetime,
    *,
    is_current: bool,
) -> ConversationRow:
    unread = unread_of(conversation, threads)
    dot = DOTS[users.presence(conversation.customer.user_id)]
    name = users.add(conversation.customer)
    thread = threads.get(conversation.conversation_id)
    newest = conversation.last_message
    details = "" if newest is None else excerpt(newest.content)
    if thread is not None and thread.typing:
        details = "typing…"
    words = [_assignment(conversation, own_id, users)]
    if conversation.status in {"queued", "assigned"} and newest is not None and newest.sender.role == "customer":
        words.append(format_age(now, newest.timestamp))
    return ConversationRow(
        conversation.conversation_id, f"{dot} {name}", f"{' '.join(words)}  {details}", unread, is_current
    )


def _assignment(conversation: Conversation, own_id: str, users: Users) -> str:
    if conversation.assignee is None or conversation.status != "assigned":
        return _STATUS_WORDS[conversation.status]
    return "mine" if conversation.assignee.user_id == own_id else users.add(conversation.assignee)


def format_age(now: datetime, since: str) -> str:
    """Return the time since a timestamp, in at most three characters below 100 days."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    if seconds < _MINUTE_S:
        return f"{seconds}s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m"
    return f"{seconds // _HOUR_S}h" if seconds < _DAY_S else f"{seconds // _DAY_S}d"


def fit(text: str, columns: int) -> str:
    """Cut or pad a text to exactly that many columns."""
    cut = text if width(text) <= columns else head(text, columns - 1) + "…"
    return cut + " " * max(0, columns - width(cut))
