"""Receiver of one user's indicators: passes what its peers announce to the checkers of its room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.protocol.entities import Presence
from chatws.protocol.events import MessageRead, TypingIndicator
from chatws_loadtest.checkers.presence_checker import OFFLINE

if TYPE_CHECKING:
    from chatws_loadtest.load_state import RoomState, SharedState

Indicator = TypingIndicator | Presence | MessageRead


class IndicatorReceiver:
    """Indicators that a member of a room receives; those that it sends go to the checkers directly."""

    def __init__(self, shared: SharedState, room: RoomState, member: int) -> None:
        self._ledger = shared.ledger
        self._room = room
        self._member = member

    def receive(self, indicator: Indicator, received_s: float, *, is_guide_only: bool) -> None:
        """Check an indicator; on a server of the guide, typing names no conversation, and presence may go to all."""
        match indicator:
            case TypingIndicator():
                self._receive_typing(indicator, received_s, names_conversation=not is_guide_only)
            case Presence():
                self._receive_presence(indicator, received_s, is_for_room=not is_guide_only)
            case MessageRead(user_id=user_id, seq=seq):
                self._record("read", self._room.reads.saw(self._member, user_id, seq), received_s)

    def _receive_typing(self, typing: TypingIndicator, received_s: float, *, names_conversation: bool) -> None:
        room = self._room
        if names_conversation and typing.conversation_id != room.conversation_id:
            self._ledger.deviations.add("typing_wrong", "of another conversation", repr(typing.conversation_id))
        elif typing.is_typing:
            self._record("typing", room.typing.saw_start(self._member, typing.user_id, received_s), received_s)
        else:
            room.typing.saw_end(self._member, typing.user_id)

    def _receive_presence(self, presence: Presence, received_s: float, *, is_for_room: bool) -> None:
        room = self._room
        since_s = room.presence.saw(self._member, presence.user_id, presence.status)
        if since_s is None:
            if presence.status != OFFLINE and not room.is_complete:
                room.presence.saw_early(self._member, presence.user_id, received_s)
            self._check_status(presence, is_for_room=is_for_room)
        elif presence.status != OFFLINE:
            # Users connect before the measurement.
            self._ledger.samples.add("presence", received_s - since_s)

    def _check_status(self, presence: Presence, *, is_for_room: bool) -> None:
        """Check a status that no peer waits for: it must not be of a stranger, nor deny a user that never left."""
        room = self._room
        user_ids = [user_id for user_id, _ in room.identities]
        is_member = presence.user_id in user_ids
        is_connected = is_member and bool(room.connected >> user_ids.index(presence.user_id) & 1)
        if presence.status == OFFLINE and is_connected and not room.has_disconnects:
            room.presence.deny(presence.user_id)
        elif is_for_room and not is_member:
            room.presence.record_outsider(presence.user_id)

    def _record(self, metric: str, since_s: float | None, received_s: float) -> None:
        if since_s is not None and self._ledger.measure_from_s <= since_s < self._ledger.measure_until_s:
            self._ledger.samples.add(metric, received_s - since_s)
