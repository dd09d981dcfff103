"""Messages that are not acked yet: one lane per conversation, at most one message of a lane under way."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from chatws.client.errors import OutboxFull
from chatws.protocol.commands import SendMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OutboxEntry(msgspec.Struct, eq=False):
    """One message; it keeps its ``client_message_id`` however often it is repeated."""

    request_id: int
    conversation_id: str
    content: str
    client_message_id: str
    attempts: int = 0

    def payload(self) -> SendMessage:
        """What crosses the wire."""
        return SendMessage(
            conversation_id=self.conversation_id, content=self.content, client_message_id=self.client_message_id
        )


class _Lane(msgspec.Struct, eq=False):
    entries: deque[OutboxEntry] = msgspec.field(default_factory=deque)
    under_way: bool = False
    not_before: float = 0.0


class Outbox:
    """A bounded queue whose order holds per conversation: nothing overtakes a message that has no answer yet."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lanes: dict[str, _Lane] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, entry: OutboxEntry) -> None:
        """Put a message at the end of its lane.

        Raises:
            OutboxFull: the limit is reached.
        """
        if self._size >= self._limit:
            raise OutboxFull(self._limit)
        lane = self._lanes.get(entry.conversation_id)
        if lane is None:
            lane = self._lanes[entry.conversation_id] = _Lane()
        lane.entries.append(entry)
        self._size += 1

    def take_ready(self, now: float, is_open: Callable[[str], bool]) -> list[OutboxEntry]:
        """Take the head of every lane that may send now; each counts as under way until settled or postponed."""
        ready = []
        for conversation_id, lane in self._lanes.items():
            if not lane.under_way and lane.not_before <= now and is_open(conversation_id):
                lane.under_way = True
                lane.entries[0].attempts += 1
                ready.append(lane.entries[0])
        return ready

    def settle(self, entry: OutboxEntry) -> bool:
        """Remove a lane's head after success or final refusal; false when it was no longer there."""
        lane = self._lanes.get(entry.conversation_id)
        if lane is None or lane.entries[0] is not entry:
            return False
        lane.entries.popleft()
        lane.under_way = False
        lane.not_before = 0.0
        self._size -= 1
        if not lane.entries:
            del self._lanes[entry.conversation_id]
        return True

    def postpone(self, entry: OutboxEntry, until: float) -> None:
        """Let a lane's head leave again, not before ``until``."""
        lane = self._lanes.get(entry.conversation_id)
        if lane is not None and lane.entries[0] is entry:
            lane.under_way = False
            lane.not_before = until

    def rewind(self) -> None:
        """The link is gone: what was under way will leave again, at once."""
        for lane in self._lanes.values():
            lane.under_way = False
            lane.not_before = 0.0

    def clear(self) -> list[OutboxEntry]:
        """Remove and return everything."""
        entries = [entry for lane in self._lanes.values() for entry in lane.entries]
        self._lanes.clear()
        self._size = 0
        return entries

    def deadlines(self) -> Iterator[float]:
        """When postponed messages may leave."""
        return (lane.not_before for lane in self._lanes.values() if not lane.under_way)
