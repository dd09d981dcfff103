"""Outbox of unacknowledged messages: one queue per conversation, at most one message of each in flight."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from chatws.client.errors import OutboxFull
from chatws.protocol.commands import SendMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OutboxEntry(msgspec.Struct, eq=False):
    """One message; every retry uses the same ``client_message_id``."""

    request_id: int
    conversation_id: str
    content: str
    client_message_id: str
    attempts: int = 0

    def payload(self) -> SendMessage:
        """Return the command's payload."""
        return SendMessage(
            conversation_id=self.conversation_id, content=self.content, client_message_id=self.client_message_id
        )


class _ConversationQueue(msgspec.Struct, eq=False):
    entries: deque[OutboxEntry] = msgspec.field(default_factory=deque)
    is_in_flight: bool = False
    not_before: float = 0.0


class Outbox:
    """Bounded queue that keeps the order per conversation: no message overtakes an unacknowledged one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queues: dict[str, _ConversationQueue] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, entry: OutboxEntry) -> None:
        """Append a message to the queue of its conversation.

        Raises:
            OutboxFull: the limit is reached.
        """
        if self._size >= self._limit:
            raise OutboxFull(self._limit)
        queue = self._queues.get(entry.conversation_id)
        if queue is None:
            queue = self._queues[entry.conversation_id] = _ConversationQueue()
        queue.entries.append(entry)
        self._size += 1

    def take_ready(self, now: float, is_open: Callable[[str], bool]) -> list[OutboxEntry]:
        """Return the head of every queue that may send now; it is in flight until `remove` or `postpone`."""
        ready: list[OutboxEntry] = []
        if not self._queues:
            return ready
        for conversation_id, queue in self._queues.items():
            if not queue.is_in_flight and queue.not_before <= now and is_open(conversation_id):
                queue.is_in_flight = True
                queue.entries[0].attempts += 1
                ready.append(queue.entries[0])
        return ready

    def remove(self, entry: OutboxEntry) -> bool:
        """Remove the head of a queue after success or final refusal; false when it is not the head any more."""
        queue = self._queues.get(entry.conversation_id)
        if queue is None or queue.entries[0] is not entry:
            return False
        queue.entries.popleft()
        queue.is_in_flight = False
        queue.not_before = 0.0
        self._size -= 1
        if not queue.entries:
            del self._queues[entry.conversation_id]
        return True

    def postpone(self, entry: OutboxEntry, until: float) -> None:
        """Retry the head of a queue, not before ``until``."""
        queue = self._queues.get(entry.conversation_id)
        if queue is not None and queue.entries[0] is entry:
            queue.is_in_flight = False
            queue.not_before = until

    def disconnect(self) -> None:
        """Retry all in-flight messages as soon as there is a connection."""
        for queue in self._queues.values():
            queue.is_in_flight = False
            queue.not_before = 0.0

    def clear(self) -> list[OutboxEntry]:
        """Remove and return all messages."""
        entries = [entry for queue in self._queues.values() for entry in queue.entries]
        self._queues.clear()
        self._size = 0
        return entries

    def deadlines(self) -> Iterator[float]:
        """Return when postponed messages may be sent."""
        return (queue.not_before for queue in self._queues.values() if not queue.is_in_flight)
