"""One conversation as its reader knows it: messages by ``seq``, notices between them, what is on its way."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from chatws_cli.presentation.timeline_items import (
    NO_SEQ,
    Block,
    DateItem,
    EntryState,
    Item,
    MessageItem,
    NoticeItem,
    UnreadMarker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatws.protocol.entities import Conversation

MAX_ITEMS: Final = 5_000
"""Messages and notices that one thread keeps; the oldest go first, and history brings them back."""

_ORDER = attrgetter("order")


class Thread:
    """Keeps the order, the bounds and the counts; says nothing about how it looks."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.is_loaded = False
        """History was read once; before that only what arrived since the join is known."""
        self.has_more_before = False
        self.unread = 0
        self.last_seq = 0
        self.own_mark = 0
        """How far we have told the server that we read."""
        self.new_after: int | None = None
        """The last message that was read before the new ones came; None without new ones."""
        self.typing: dict[str, str] = {}
        self.draft = ""
        self._items: list[Item] = []
        self._pending: dict[str, MessageItem] = {}
        self.read_seq = 0
        """The newest message that somebody else has read."""

    @property
    def first_seq(self) -> int | None:
        """The oldest message kept; what comes before it is asked from the server."""
        return next((item.seq for item in self._items if isinstance(item, MessageItem)), None)

    @property
    def queued(self) -> int:
        """Messages that are not stored yet."""
        return sum(entry.state in {"queued", "sent"} for entry in self._pending.values())

    @property
    def can_load_older(self) -> bool:
        """Whether there is something before the first message, and room for it."""
        return self.is_loaded and self.has_more_before and len(self._items) < MAX_ITEMS

    def entries(self) -> list[MessageItem]:
        """Every message, those on their way last."""
        return [item for item in self._items if isinstance(item, MessageItem)] + list(self._pending.values())

    def merge(self, entries: Iterable[MessageItem], *, has_more_before: bool) -> None:
        """Take a page of history; what is known already stays as it is."""
        known = {item.seq for item in self._items if isinstance(item, MessageItem)}
        fresh = [entry for entry in entries if entry.seq not in known]
        self._items = sorted([*self._items, *fresh], key=_ORDER)
        self.last_seq = max([self.last_seq, *(entry.seq for entry in fresh)])
        self.is_loaded = True
        self.has_more_before = has_more_before

    def reload(self, entries: Iterable[MessageItem], *, has_more_before: bool) -> None:
        """Forget what is stored and take these instead."""
        self._items.clear()
        self.last_seq = self.own_mark = self.read_seq = 0
        self.new_after = None
        self.merge(entries, has_more_before=has_more_before)

    def add(self, entry: MessageItem) -> bool:
        """Put a stored message in its place, and take it off those on their way; false when it was there."""
        if entry.client_message_id is not None:
            self._pending.pop(entry.client_message_id, None)
        index = bisect_left(self._items, entry.order, key=_ORDER)
        if index < len(self._items) and self._items[index].order == entry.order:
            return False
        self._items.insert(index, entry)
        self.last_seq = max(self.last_seq, entry.seq)
        self._trim()
        return True

    def notice(self, text: str, *, is_problem: bool = False) -> None:
        """Add a line behind the newest message."""
        notice = NoticeItem(self.last_seq, text, is_problem)
        self._items.insert(bisect_right(self._items, notice.order, key=_ORDER), notice)
        self._trim()

    def post(self, entry: MessageItem) -> None:
        """Add an own message that is not stored yet."""
        assert entry.client_message_id is not None
        self._pending[entry.client_message_id] = entry
        self.new_after = None

    def set_state(self, client_message_id: str, state: EntryState) -> None:
        """Say what has become of a message on its way."""
        entry = self._pending.get(client_message_id)
        if entry is not None and entry.state != state:
            self._pending[client_message_id] = replace(entry, state=state)

    def settle(self, client_message_id: str, stored: MessageItem) -> None:
        """A message on its way is stored."""
        self._pending.pop(client_message_id, None)
        self.add(stored)

    def take_failed(self) -> list[MessageItem]:
        """Remove and return the messages that were refused."""
        failed = [entry for entry in self._pending.values() if entry.state == "failed"]
        for entry in failed:
            self._pending.pop(entry.client_message_id or "", None)
        return failed

    def pending(self) -> list[MessageItem]:
        """Messages on their way, in the order posted."""
        return list(self._pending.values())

    def read_by_others(self, seq: int) -> None:
        """Somebody else has read up to ``seq``."""
        self.read_seq = max(self.read_seq, seq)

    def state_of(self, entry: MessageItem) -> EntryState | None:
        """Return an own message's state; None for the others'."""
        if not entry.is_own or entry.state is not None:
            return entry.state
        return "read" if entry.seq <= self.read_seq else "stored"

    def seen(self) -> None:
        """The reader has seen everything."""
        self.unread = 0

    def blocks(self) -> list[Block]:
        """Everything in the order it is shown, with day lines and the line above what is new."""
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
