"""Receiver of one user's messages: compares each with the one that was sent, and records it in the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatws_loadtest.contents import read_origin
from chatws_loadtest.timestamps import MAX_OFFSET_S, read_timestamp

if TYPE_CHECKING:
    from chatws.protocol.entities import Message, User
    from chatws_loadtest.contents import MessageOrigin
    from chatws_loadtest.ledger import LedgerEntry
    from chatws_loadtest.load_state import RoomState, SharedState

EXCERPT_CHARS: Final = 30


class MessageReceiver:
    """Comparison of the messages that a member of a room receives with those that were sent."""

    def __init__(self, shared: SharedState, room: RoomState, member: int) -> None:
        self._shared = shared
        self._ledger = shared.ledger
        self._expected = shared.ledger.expected
        self._tag = shared.plan.tag
        self._compared = shared.plan.compared
        self._room = room
        self._member = member

    def receive(self, message: Message, seq: int, received_s: float) -> bool:
        """Record a live message; ``seq`` is 0 on a server without. Return whether it belongs to the user's room."""
        room, sender = self._room, message.sender
        entry = self._expected.get(message.content)
        if (
            entry is None
            or entry.room != room.index
            or message.conversation_id != room.conversation_id
            or (sender.user_id, sender.role) != room.identities[entry.sender]
        ):
            return self._receive_deviating(message, seq, received_s)
        if message.timestamp != entry.timestamp:
            self._check_timestamp(message, entry)
        if room.typing.awaiting_end:
            room.typing.saw_message(self._member, entry.sender, entry.sent_s)
        if room.on_first_copy is not None and entry.missing >> self._member & 1:
            room.on_first_copy(entry, self._member, received_s)
        self._ledger.receive_expected(entry, self._member, seq, received_s)
        return True

    def catch_up(self, message: Message, received_s: float) -> bool:
        """Record a message of a reply; return whether it belongs to the user's room."""
        origin = self._read(message.content)
        if origin is None:
            return False
        if origin.room != self._room.index:
            self._record_leak(message, origin)
            return False
        self._compare(message, origin)
        self._ledger.catch_up(self._room.index, self._member, origin.number, message.seq, received_s)
        return True

    def _receive_deviating(self, message: Message, seq: int, received_s: float) -> bool:
        """Record a message that is not in flight in this room as it was received: repeated, altered, or foreign."""
        origin = self._read(message.content)
        if origin is None:
            self._receive_unidentified(message)
            return False
        if origin.room != self._room.index:
            self._record_leak(message, origin)
            return False
        self._compare(message, origin)
        entry = self._ledger.entry(origin.number)
        if entry is not None and message.timestamp != entry.timestamp:
            self._check_timestamp(message, entry)
        self._ledger.receive(
            self._room.index,
            self._member,
            sender=origin.sender,
            number=origin.number,
            seq=seq,
            now_s=received_s,
            dated_s=0.0 if entry is None else entry.dated_s,
        )
        return True

    def _receive_unidentified(self, message: Message) -> None:
        """Record a message whose content does not name an origin of this process."""
        if self._shared.contents.is_of_run(message.content) and read_origin(message.content, self._tag) is None:
            self._record_leak(message, None)
            return
        room = self._room
        sender = message.sender.user_id, message.sender.role
        if message.conversation_id == room.conversation_id and sender in room.identities:
            self._ledger.deviations.add("altered", "contents that no user sent", _excerpt(message.content, 0))

    def _read(self, content: str) -> MessageOrigin | None:
        """Read the origin of a message that this process has sent; None for any other."""
        origin = read_origin(content, self._tag)
        return origin if origin is not None and origin.number < self._ledger.sent else None

    def _compare(self, message: Message, origin: MessageOrigin) -> None:
        """Compare a message of this room with what was sent; each altered message counts once."""
        room = self._room
        sent = self._shared.contents.compose(*origin)
        what, example = "", ""
        if message.content != sent:
            at = _first_difference(sent, message.content)
            what, example = "contents", f"{_excerpt(message.content, at)} instead of {_excerpt(sent, at)}"
        elif self._compared.conversation and message.conversation_id != room.conversation_id:
            what, example = "conversations", f"{message.conversation_id!r} instead of {room.conversation_id!r}"
        else:
            if origin.sender >= len(room.identities):
                return
            what, example = self._compare_sender(message.sender, room.identities[origin.sender])
            if not what:
                return
        entry = self._ledger.entry(origin.number)
        if entry is None or not entry.is_altered:
            self._ledger.deviations.add("altered", what, example)
        if entry is not None:
            entry.is_altered = True

    def _compare_sender(self, sender: User, expected: tuple[str, str]) -> tuple[str, str]:
        """Return how the sender differs, and an example; empty if it does not, or has not been named yet."""
        user_id, role = expected
        differs = self._compared.sender and sender.user_id != user_id
        differs = differs or (self._compared.role and sender.role != role)
        if not differs or not user_id:
            return "", ""
        return "senders", f"{sender.user_id} as {sender.role} instead of {user_id} as {role}"

    def _record_leak(self, message: Message, origin: MessageOrigin | None) -> None:
        source = "of another load process" if origin is None else f"of room {origin.room}"
        example = f"{_excerpt(message.content, 0)} {source}, received in room {self._room.index}"
        is_rewritten = message.conversation_id == self._room.conversation_id
        what = "messages of other rooms under this room's id" if is_rewritten else "messages of other rooms"
        self._ledger.deviations.add("leaked", what, example)

    def _check_timestamp(self, message: Message, entry: LedgerEntry) -> None:
        """Check a timestamp that differs from that of the copy before; the copies of a broadcast are equal."""
        entry.timestamp = message.timestamp
        entry.dated_s = 0.0
        if not self._compared.timestamp:
            return
        dated_s = read_timestamp(message.timestamp)
        if dated_s is None:
            self._ledger.deviations.add("misdated", "unreadable", repr(message.timestamp))
        elif abs(dated_s - time.time()) > MAX_OFFSET_S:
            self._ledger.deviations.add("misdated", "more than an hour off", message.timestamp)
        else:
            entry.dated_s = dated_s


def _first_difference(sent: str, received: str) -> int:
    pairs = enumerate(zip(sent, received, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(sent), len(received)))


def _excerpt(text: str, at: int) -> str:
    """Quote the part of a text around a position."""
    start = max(0, at - EXCERPT_CHARS // 3)
    before, after = "…" if start else "", "…" if len(text) > start + EXCERPT_CHARS else ""
    return f"{before}{text[start : start + EXCERPT_CHARS]!r}{after}"
