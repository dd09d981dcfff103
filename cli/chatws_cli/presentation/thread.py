"""Timeline of one conversation: stored messages by ``seq``, notices between them, and messages not yet stored."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from chatws_cli.presentation.timeline_items import (
    NO_SEQ,
    Block,
    DateItem,
    DeliveryState,
    Item,
    MessageItem,
    NoteItem,
    NoticeItem,
    UnreadMarker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Conversation

MAX_ITEMS: Final = 5_000
"""Messages and notices that one thread keeps; the oldest are dropped, and paging through history reloads them."""

_ORDER = attrgetter("order")


class Thread:
    """Ordered, bounded timeline with read marks and unread counts; independent of how it is drawn."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.is_loaded = False
        """Whether history was read; before that, only messages received since the join are present."""
        self.has_more_before = False
        self.unread = 0
        self.last_seq = 0
        self.own_mark = 0
        """Own read mark, as confirmed by the server."""
        self.new_after: int | None = None
        """Last message that was read before the new ones arrived; None without new messages."""
        self.typing: dict[str, str] = {}
        self.draft = ""
        self.catch_up_to: int | None = None
        """``seq`` up to which messages missed during a disconnect are still expected."""
        self.caught_up = 0
        self._items: list[Item] = []
        self._pending: dict[str, MessageItem] = {}
        self._read_marks: dict[str, int] = {}
        """Read marks of other users, as received in events."""
        self._unread_own: list[int] = []
        """Own messages, ascending, for which no reader was reported yet."""
        self.read_seq = 0
        """Newest message that another user has read."""

    @property
    def first_seq(self) -> int | None:
        """Oldest message present; older ones are requested from the server."""
        return next((item.seq for item in self._items if isinstance(item, MessageItem)), None)

    @property
    def queued(self) -> int:
        """Number of messages that are not stored yet."""
        return sum(item.state in {"queued", "sent"} for item in self._pending.values())

    @property
    def can_load_older(self) -> bool:
        """Whether older messages exist, and the thread has room for them."""
        return self.is_loaded and self.has_more_before and len(self._items) < MAX_ITEMS

    def messages(self) -> list[MessageItem]:
        """Return every message; those not yet stored come last."""
        return [item for item in self._items if isinstance(item, MessageItem)] + list(self._pending.values())

    def merge(self, items: Iterable[MessageItem], *, has_more_before: bool) -> list[MessageItem]:
        """Add a page of history; return the messages that were not present."""
        known = {item.seq for item in self._items if isinstance(item, MessageItem)}
        fresh = [item for item in items if item.seq not in known]
        if not self.is_loaded:
            self._unread_own = sorted({*self._unread_own, *(item.seq for item in fresh if item.is_own)})
        self._items = sorted([*self._items, *fresh], key=_ORDER)
        self.last_seq = max([self.last_seq, *(item.seq for item in fresh)])
        self.is_loaded = True
        self.has_more_before = has_more_before
        return fresh

    def reload(self, items: Iterable[MessageItem], *, has_more_before: bool) -> None:
        """Replace all stored messages."""
        self._items.clear()
        self._read_marks.clear()
        self._unread_own.clear()
        self.last_seq = self.own_mark = self.read_seq = 0
        self.new_after = self.catch_up_to = None
        self.is_loaded = False
        self.merge(items, has_more_before=has_more_before)

    def add(self, item: MessageItem) -> bool:
        """Insert a stored message and remove its pending copy; return False if it was already present."""
        if item.client_message_id is not None:
            self._pending.pop(item.client_message_id, None)
        index = bisect_left(self._items, item.order, key=_ORDER)
        if index < len(self._items) and self._items[index].order == item.order:
            return False
        self._items.insert(index, item)
        self.last_seq = max(self.last_seq, item.seq)
        self._trim()
        return True

    def notice(self, text: str, *, is_problem: bool = False) -> None:
        """Add a line behind the newest message, also if the history is not loaded yet."""
        seq = self.last_seq if self.is_loaded else max(self.last_seq, self.conversation.head_seq)
        notice = NoticeItem(seq, text, is_problem)
        self._items.insert(bisect_right(self._items, notice.order, key=_ORDER), notice)
        self._trim()

    def add_note(self, note: NoteItem) -> bool:
        """Insert a note behind its message; return False if it was already present."""
        if any(isinstance(item, NoteItem) and item.note_id == note.note_id for item in self._items):
            return False
        self._items.insert(bisect_right(self._items, note.order, key=_ORDER), note)
        self._trim()
        return True

    def post(self, item: MessageItem) -> None:
        """Add an own message that is not stored yet."""
        assert item.client_message_id is not None
        self._pending[item.client_message_id] = item
        self.new_after = None

    def set_state(self, client_message_id: str, state: DeliveryState) -> None:
        """Set the state of a pending message."""
        item = self._pending.get(client_message_id)
        if item is not None and item.state != state:
            self._pending[client_message_id] = replace(item, state=state)

    def take_failed(self) -> list[MessageItem]:
        """Remove and return the messages that the server refused."""
        failed = [item for item in self._pending.values() if item.state == "failed"]
        for item in failed:
            self._pending.pop(item.client_message_id or "", None)
        return failed

    def pending(self) -> list[MessageItem]:
        """Return the messages that are not stored, in the order posted."""
        return list(self._pending.values())

    def raise_read_seq(self, seq: int) -> None:
        """Raise the read mark that decides which own messages are shown as read."""
        self.read_seq = max(self.read_seq, seq)

    def set_read_mark(self, user_id: str, seq: int) -> None:
        """Store another user's read mark received in an event."""
        self._read_marks[user_id] = max(seq, self._read_marks.get(user_id, 0))
        self.raise_read_seq(seq)

    def add_unread_own(self, seq: int) -> None:
        """Register an own stored message as not read by others."""
        insort(self._unread_own, seq)

    def take_new_reader(self) -> str | None:
        """Return a user who has read own messages not reported as read before.

        Each message is reported once; its ack may arrive after the read mark that covers it.
        """
        for user_id, seq in self._read_marks.items():
            if self._unread_own and self._unread_own[0] <= seq:
                self._unread_own = [own for own in self._unread_own if own > seq]
                return user_id
        return None

    def state_of(self, item: MessageItem) -> DeliveryState | None:
        """Return the state of an own message; None for messages of others."""
        if not item.is_own or item.state is not None:
            return item.state
        return "read" if item.seq <= self.read_seq else "stored"

    def clear_unread(self) -> None:
        """Reset the unread count."""
        self.unread = 0

    def blocks(self) -> list[Block]:
        """Return all items in display order, with date lines and the line above unread messages."""
        blocks: list[Block] = []
        day = 0
        new_after = NO_SEQ if self.new_after is None else self.new_after
        for item in [*self._items, *self._pending.values()]:
            if isinstance(item, MessageItem):
                if item.moment is not None and (today := item.moment.toordinal()) != day:
                    day = today
                    blocks.append(DateItem(f"{item.moment:%A, %d %B %Y}"))
                if item.seq > new_after and not item.is_own:
                    blocks.append(UnreadMarker())
                    new_after = NO_SEQ
            blocks.append(item)
        return blocks

    def _trim(self) -> None:
        surplus = len(self._items) - MAX_ITEMS
        if surplus > 0:
            del self._items[:surplus]
            self.has_more_before = True
