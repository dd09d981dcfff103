"""Joined conversations: turns acks and messages into the events delivered to the user."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from chatws.client.core.cursor import MAX_HELD, ConversationCursor
from chatws.client.core.effects import Deliver, Effect, Resolve
from chatws.client.core.event_names import Command, Event
from chatws.client.core.peer_state import PeerState
from chatws.client.core.sdk_events import ConversationJoined, ConversationReloaded, MessageReceived
from chatws.client.errors import ClientError, Disconnected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws.protocol.entities import Message, Wire
    from chatws.protocol.events import MessageRead, Positions
    from chatws.protocol.responses import HistoryAck, JoinAck

OWN_IDS_KEPT = 10_000
"""Limit of the remembered clientMessageIds by which echoes of own messages are recognised."""


class ConversationCursors:
    """All joined conversations, also while there is no connection."""

    def __init__(self) -> None:
        self.peers = PeerState()
        self.received = 0
        self.gaps_filled = 0
        self._cursors: dict[str, ConversationCursor] = {}
        self._own_ids: OrderedDict[str, None] = OrderedDict()
        self._duplicates_of_left_conversations = 0

    @property
    def duplicates(self) -> int:
        """Number of messages received more than once."""
        return self._duplicates_of_left_conversations + sum(cursor.duplicates for cursor in self._cursors.values())

    def join(self, request_id: int, conversation_id: str, after_seq: int | None, epoch: str | None) -> None:
        """Join a conversation; one that was joined before keeps its position."""
        cursor = self._cursors.setdefault(conversation_id, ConversationCursor(conversation_id, after_seq, epoch))
        cursor.waiters.append(request_id)
        cursor.joined = False

    def leave(self, conversation_id: str, error: ClientError | None = None) -> list[Effect]:
        """Leave a conversation: discard its position, and resolve waiting joins with ``error``."""
        cursor = self._cursors.pop(conversation_id, None)
        if cursor is None:
            return []
        self._duplicates_of_left_conversations += cursor.duplicates
        outcome = error or Disconnected("the conversation was left")
        resolved: list[Effect] = [Resolve(waiter, outcome) for waiter in cursor.waiters]
        return [*resolved, *self.peers.leave(conversation_id)]

    def remember_own(self, client_message_id: str) -> None:
        """Remember the id of an own message."""
        self._own_ids[client_message_id] = None
        if len(self._own_ids) > OWN_IDS_KEPT:
            self._own_ids.popitem(last=False)

    def move_read_mark(self, event: MessageRead) -> list[Effect]:
        """Deliver a read mark; one that arrives after its conversation was left would hide it at the next join."""
        if event.conversation_id not in self._cursors:
            return []
        return [*self.peers.update_read_mark(event)]

    def is_open(self, conversation_id: str) -> bool:
        """Return whether a message may be sent: the conversation is joined, or the user did not ask to join it."""
        cursor = self._cursors.get(conversation_id)
        return cursor is None or cursor.joined

    def rejoin(self, conversation_id: str) -> bool:
        """Join again after the server lost the membership; false when the user did not join."""
        cursor = self._cursors.get(conversation_id)
        if cursor is None:
            return False
        cursor.joined = False
        return True

    def is_current(self, cursor: ConversationCursor) -> bool:
        """Return whether a reply about this cursor still applies."""
        return self._cursors.get(cursor.conversation_id) is cursor

    def advance(self, message: Message) -> list[Effect] | None:
        """Deliver the next message of a conversation without gaps; return None for any other message."""
        return [self._deliver(self._cursors[message.conversation_id], message)] if self.skip(message) else None

    def skip(self, message: Message) -> bool:
        """Advance by the next message of a conversation without gaps; return False for any other message."""
        cursor = self._cursors.get(message.conversation_id)
        if cursor is None or not cursor.advance(message):
            return False
        self.received += 1
        return True

    def receive(self, message: Message) -> list[Effect]:
        """Accept a broadcast message; one of a conversation that was left is dropped."""
        cursor = self._cursors.get(message.conversation_id)
        if cursor is None:
            return []
        cursor.take([message], bound=MAX_HELD)
        return self._release(cursor)

    def announce_heads(self, positions: Positions, now: float) -> None:
        """Record the heads that the server announces."""
        for conversation_id, head in positions.items():
            if conversation_id in self._cursors:
                self._cursors[conversation_id].announce_head(head, now)

    def apply_join(self, cursor: ConversationCursor, ack: JoinAck) -> list[Effect]:
        """Apply the ack of a join."""
        again, cursor.was_joined_before = cursor.was_joined_before, True
        cursor.apply_join(ack)
        joined = ConversationJoined(cursor.conversation_id, ack, again)
        delivered: list[Effect] = [Deliver(Event.CONVERSATION_JOINED, joined)]
        delivered += self.peers.replace(cursor.conversation_id, ack)
        delivered += self._release(cursor)
        delivered += [Resolve(waiter, ack) for waiter in cursor.waiters]
        cursor.waiters.clear()
        return delivered

    def apply_history(self, cursor: ConversationCursor, ack: HistoryAck) -> list[Effect]:
        """Apply a page requested for a gap or a reload."""
        delivered: list[Effect] = []
        reloaded = cursor.apply_history(ack)
        if reloaded is not None:
            event = ConversationReloaded(cursor.conversation_id, reloaded, ack.has_more_before)
            delivered.append(Deliver(Event.CONVERSATION_RELOADED, event))
        released = self._release(cursor)
        self.gaps_filled += bool(released)
        return delivered + released

    def take_due(self, now: float) -> list[tuple[str, Wire | str, ConversationCursor]]:
        """Return the requests that are due and mark them as in flight; each conversation has at most one."""
        requests: list[tuple[str, Wire | str, ConversationCursor]] = []
        for cursor in self._cursors.values():
            if cursor.is_up_to_date:
                continue
            cursor.apply_announced_head(now)
            if (cursor.joined and not cursor.is_behind) or cursor.is_requesting or cursor.not_before > now:
                continue
            cursor.is_requesting, cursor.not_before = True, 0.0
            cursor.attempts += 1
            if cursor.joined:
                requests.append((Command.HISTORY, cursor.history_payload(), cursor))
            else:
                requests.append((Command.JOIN_CONVERSATION, cursor.join_payload(), cursor))
        return requests

    def disconnect(self) -> list[Effect]:
        """Reset everything but the positions, and end all typing."""
        for cursor in self._cursors.values():
            cursor.disconnect()
        return [*self.peers.disconnect()]

    @property
    def are_all_joined(self) -> bool:
        """Whether each conversation is joined on this connection."""
        return all(cursor.joined for cursor in self._cursors.values())

    def fail_waiters(self, error: ClientError) -> list[Effect]:
        """Resolve every waiting join with an error."""
        resolved: list[Effect] = []
        for cursor in self._cursors.values():
            resolved += [Resolve(waiter, error) for waiter in cursor.waiters]
            cursor.waiters.clear()
        return resolved

    def deadlines(self) -> Iterator[float]:
        """Return when the next requests are due."""
        for cursor in self._cursors.values():
            if not cursor.is_requesting:
                yield from cursor.deadlines()

    def _release(self, cursor: ConversationCursor) -> list[Effect]:
        due = cursor.release()
        self.received += len(due)
        return [self._deliver(cursor, message) for message in due]

    def _deliver(self, cursor: ConversationCursor, message: Message) -> Deliver:
        own = message.client_message_id in self._own_ids
        return Deliver(
            Event.MESSAGE_RECEIVED, MessageReceived(message, own=own, caught_up=message.seq <= cursor.head_at_join)
        )
