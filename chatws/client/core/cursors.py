"""The joined conversations: turns their answers and messages into what the user is told."""

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
    from chatws.protocol.events import Positions
    from chatws.protocol.responses import HistoryAck, JoinAck

OWN_IDS_KEPT = 10_000
"""clientMessageIds of this process by which it knows its own echo."""


class ConversationCursors:
    """Every conversation the user wants to be in, whether or not there is a link."""

    def __init__(self) -> None:
        self.others = PeerState()
        self.received = 0
        self.gaps_filled = 0
        self._rooms: dict[str, ConversationCursor] = {}
        self._own_ids: OrderedDict[str, None] = OrderedDict()
        self._duplicates_of_left_rooms = 0

    @property
    def duplicates(self) -> int:
        """Messages that came more than once."""
        return self._duplicates_of_left_rooms + sum(room.duplicates for room in self._rooms.values())

    def want(self, request_id: int, conversation_id: str, after_seq: int | None, epoch: str | None) -> None:
        """Join; a conversation joined before keeps its position."""
        room = self._rooms.setdefault(conversation_id, ConversationCursor(conversation_id, after_seq, epoch))
        room.waiters.append(request_id)
        room.joined = False

    def forget(self, conversation_id: str, error: ClientError | None = None) -> list[Effect]:
        """Leave: the position is gone and whoever waits for the join hears ``error``."""
        room = self._rooms.pop(conversation_id, None)
        if room is None:
            return []
        self._duplicates_of_left_rooms += room.duplicates
        outcome = error or Disconnected("the conversation was left")
        settled: list[Effect] = [Resolve(waiter, outcome) for waiter in room.waiters]
        return [*settled, *self.others.forget(conversation_id)]

    def note_own(self, client_message_id: str) -> None:
        """Remember an id of this process's own messages."""
        self._own_ids[client_message_id] = None
        if len(self._own_ids) > OWN_IDS_KEPT:
            self._own_ids.popitem(last=False)

    def is_open(self, conversation_id: str) -> bool:
        """Whether a message may leave: the room is joined, or nobody asked to be in it."""
        room = self._rooms.get(conversation_id)
        return room is None or room.joined

    def rejoin(self, conversation_id: str) -> bool:
        """The server does not know that we are in: join again; false when nobody wants to be."""
        room = self._rooms.get(conversation_id)
        if room is None:
            return False
        room.joined = False
        return True

    def is_current(self, room: ConversationCursor) -> bool:
        """Whether an answer about this room still matters."""
        return self._rooms.get(room.conversation_id) is room

    def follow(self, message: Message) -> list[Effect] | None:
        """Take a live message that is the next one of a conversation which lacks nothing; None when it is not."""
        room = self._rooms.get(message.conversation_id)
        if room is None or not room.follow(message):
            return None
        self.received += 1
        return [self._tell(room, message)]

    def hear_message(self, message: Message) -> list[Effect]:
        """Take a live message; one of a conversation that was left is dropped."""
        room = self._rooms.get(message.conversation_id)
        if room is None:
            return []
        room.take([message], bound=MAX_HELD)
        return self._release(room)

    def hear_positions(self, positions: Positions, now: float) -> None:
        """Take the heads the server names."""
        for conversation_id, head in positions.items():
            if conversation_id in self._rooms:
                self._rooms[conversation_id].hear_position(head, now)

    def hear_join(self, room: ConversationCursor, ack: JoinAck) -> list[Effect]:
        """Take a join's answer."""
        again, room.entered_before = room.entered_before, True
        room.apply_join(ack)
        joined = ConversationJoined(room.conversation_id, ack, again)
        told: list[Effect] = [Deliver(Event.CONVERSATION_JOINED, joined)]
        told += self.others.replace(room.conversation_id, ack)
        told += self._release(room)
        told += [Resolve(waiter, ack) for waiter in room.waiters]
        room.waiters.clear()
        return told

    def hear_history(self, room: ConversationCursor, ack: HistoryAck) -> list[Effect]:
        """Take a page that a gap or a reload asked for."""
        told: list[Effect] = []
        reloaded = room.apply_history(ack)
        if reloaded is not None:
            event = ConversationReloaded(room.conversation_id, reloaded, ack.has_more_before)
            told.append(Deliver(Event.CONVERSATION_RELOADED, event))
        released = self._release(room)
        self.gaps_filled += bool(released)
        return told + released

    def due(self, now: float) -> list[tuple[str, Wire | str, ConversationCursor]]:
        """Give the requests that should leave now; each room has one under way."""
        requests: list[tuple[str, Wire | str, ConversationCursor]] = []
        for room in self._rooms.values():
            if room.is_calm:
                continue
            room.check_position(now)
            if (room.joined and not room.behind) or room.asking or room.not_before > now:
                continue
            room.asking, room.not_before = True, 0.0
            room.attempts += 1
            if room.joined:
                requests.append((Command.HISTORY, room.history_payload(), room))
            else:
                requests.append((Command.JOIN_CONVERSATION, room.join_payload(), room))
        return requests

    def lost(self) -> list[Effect]:
        """The link is gone: positions stay, nobody is seen typing."""
        for room in self._rooms.values():
            room.lost()
        return [*self.others.forget_typing()]

    def fail_waiters(self, error: ClientError) -> list[Effect]:
        """Settle every join that waits."""
        settled: list[Effect] = []
        for room in self._rooms.values():
            settled += [Resolve(waiter, error) for waiter in room.waiters]
            room.waiters.clear()
        return settled

    def deadlines(self) -> Iterator[float]:
        """When something becomes due here."""
        for room in self._rooms.values():
            if not room.asking:
                yield from room.deadlines()

    def _release(self, room: ConversationCursor) -> list[Effect]:
        due = room.release()
        self.received += len(due)
        return [self._tell(room, message) for message in due]

    def _tell(self, room: ConversationCursor, message: Message) -> Deliver:
        own = message.client_message_id in self._own_ids
        return Deliver(
            Event.MESSAGE_RECEIVED, MessageReceived(message, own=own, caught_up=message.seq <= room.entry_head)
        )
