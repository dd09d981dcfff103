"""The conversations an agent chooses from: which are shown, in what order, and what each row says."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatws_cli.presentation.sanitize import clean_line, excerpt, head, width
from chatws_cli.presentation.users import DOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatws.protocol.entities import Conversation
    from chatws_cli.presentation.thread import Thread
    from chatws_cli.presentation.users import Users

Filter = Literal["open", "mine", "queue", "all"]
FILTERS: Final[tuple[Filter, ...]] = ("open", "mine", "queue", "all")

_STATUS_WORDS = {"bot": "bot", "queued": "waits", "assigned": "taken", "resolved": "closed"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


class ConversationRow(NamedTuple):
    """One conversation in the list: two lines of text."""

    conversation_id: str
    title: str
    details: str
    unread: int
    is_current: bool


class ConversationIndex:
    """Knows every conversation the server has told of."""

    def __init__(self) -> None:
        self.filter: Filter = "open"
        self.words = ""
        """Only customers whose name holds this are shown."""
        self._by_id: dict[str, Conversation] = {}

    def load(self, conversations: Iterable[Conversation]) -> None:
        """Take a snapshot; nothing in it is older than what is known."""
        self._by_id.update({one.conversation_id: one for one in conversations})

    def update(self, conversation: Conversation) -> Conversation | None:
        """Take a change; returns what was known before."""
        before = self._by_id.get(conversation.conversation_id)
        self._by_id[conversation.conversation_id] = conversation
        return before

    def get(self, conversation_id: str) -> Conversation | None:
        """Return what is known of one."""
        return self._by_id.get(conversation_id)

    def next_filter(self) -> Filter:
        """Show another part of the conversations."""
        self.filter = FILTERS[(FILTERS.index(self.filter) + 1) % len(FILTERS)]
        return self.filter

    def newest_open(self) -> Conversation | None:
        """Return the conversation that changed last and is not closed."""
        return next((one for one in self.by_change() if one.status != "resolved"), None)

    def by_change(self) -> list[Conversation]:
        """Every conversation, the newest change first."""
        return sorted(self._by_id.values(), key=lambda one: (one.updated_at, one.conversation_id), reverse=True)

    def visible(self, own_id: str, threads: Mapping[str, Thread], current: str | None) -> list[Conversation]:
        """Return what the filter lets through, unread ones on top; the one that is open is always shown."""
        chosen = [one for one in self.by_change() if one.conversation_id == current or self._passes(one, own_id)]
        return sorted(chosen, key=lambda one: unread_of(one, threads) == 0)

    def rows(
        self, own_id: str, threads: Mapping[str, Thread], people: Users, current: str | None, now: datetime
    ) -> list[ConversationRow]:
        """Describe the visible conversations."""
        return [
            _row(one, own_id, threads, people, now, is_current=one.conversation_id == current)
            for one in self.visible(own_id, threads, current)
        ]

    def _passes(self, conversation: Conversation, own_id: str) -> bool:
        if self.words.casefold() not in clean_line(conversation.customer.user_name).casefold():
            return False
        match self.filter:
            case "open":
                return conversation.status != "resolved"
            case "mine":
                return conversation.assignee is not None and conversation.assignee.user_id == own_id
            case "queue":
                return conversation.status in {"queued", "bot"}
            case "all":
                return True


def unread_of(conversation: Conversation, threads: Mapping[str, Thread]) -> int:
    """Return how many messages nobody here has looked at."""
    thread = threads.get(conversation.conversation_id)
    return 0 if thread is None else thread.unread


def _row(
    conversation: Conversation,
    own_id: str,
    threads: Mapping[str, Thread],
    people: Users,
    now: datetime,
    *,
    is_current: bool,
) -> ConversationRow:
    unread = unread_of(conversation, threads)
    dot = DOTS[people.presence(conversation.customer.user_id)]
    name = people.meet(conversation.customer)
    thread = threads.get(conversation.conversation_id)
    newest = conversation.last_message
    details = "" if newest is None else excerpt(newest.content)
    if thread is not None and thread.typing:
        details = "typing…"
    words = [_assignment(conversation, own_id, people)]
    if conversation.status in {"queued", "assigned"} and newest is not None and newest.sender.role == "customer":
        words.append(waiting(now, newest.timestamp))
    return ConversationRow(
        conversation.conversation_id, f"{dot} {name}", f"{' '.join(words)}  {details}", unread, is_current
    )


def _assignment(conversation: Conversation, own_id: str, people: Users) -> str:
    if conversation.assignee is None or conversation.status != "assigned":
        return _STATUS_WORDS[conversation.status]
    return "mine" if conversation.assignee.user_id == own_id else people.meet(conversation.assignee)


def waiting(now: datetime, since: str) -> str:
    """Say how long somebody has waited, in at most three characters for a day."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    if seconds < _MINUTE_S:
        return f"{seconds}s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m"
    return f"{seconds // _HOUR_S}h" if seconds < _DAY_S else f"{seconds // _DAY_S}d"


def fit(text: str, columns: int) -> str:
    """Cut or fill a text to exactly that many columns."""
    cut = text if width(text) <= columns else head(text, columns - 1) + "…"
    return cut + " " * max(0, columns - width(cut))
