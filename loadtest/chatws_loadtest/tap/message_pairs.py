"""Pairs of sent messages with their acks and deliveries: by the server's id, the client's id, or the content."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import msgspec

from chatws_loadtest.tap.masking import BoundedPseudonyms

MAX_MESSAGES: Final = 50_000
"""Messages that are remembered; deliveries of older ones are not paired."""

MAX_UNMATCHED: Final = 10_000


class PairedMessage(msgspec.Struct, gc=False):
    """Message of a client, from its first sending.

    It refers to no containers, so that the garbage collector need not visit it: with 50,000 messages a collection would
    take tens of milliseconds.
    """

    t: float
    c: int
    name: str
    """Pseudonym."""
    room: str
    key: str
    digest: int
    """Hash of the content; 0: it has none."""
    message_id: str = ""
    """The server's id."""


@dataclass(slots=True, frozen=True)
class _Unmatched:
    deadline: float
    c: int
    room: str
    message_id: str
    name: str


class MessagePairs:
    """Memory of the newest messages; ``grace_s`` is the time in which an ack may name a message already delivered."""

    def __init__(self, names: BoundedPseudonyms, *, grace_s: float, limit: int = MAX_MESSAGES) -> None:
        self._names = names
        self._grace_s = grace_s
        self._limit = limit
        self._sent: deque[PairedMessage] = deque()
        self._by_key: dict[tuple[str, str, str | int], PairedMessage] = {}
        self._unmatched: deque[_Unmatched] = deque(maxlen=MAX_UNMATCHED)
        # Pseudonyms of messages without a sender, by room and id.
        self._unsent: OrderedDict[tuple[str, str], str] = OrderedDict()

    def send(self, t: float, c: int, room: str, key: str, content: str) -> PairedMessage:
        """Return the message that a client sends; the same one if it repeats its own id."""
        known = self._by_key.get(("key", room, key)) if key else None
        if known is not None:
            return known
        sent = PairedMessage(t, c, self._names.next(), room, key, hash(content) if content else 0)
        # With equal texts, a delivery belongs to the newest one.
        self._by_key["key" if key else "content", room, key or sent.digest] = sent
        self._sent.append(sent)
        if len(self._sent) > self._limit:
            self._forget(self._sent.popleft())
        return sent

    def acked(self, sent: PairedMessage, room: str, message_id: str) -> bool:
        """Note the server's id of a message; return False if the server had given it another one."""
        if message_id and not sent.message_id:
            self._add_id(sent, room, message_id)
        return message_id in {"", sent.message_id}

    def delivered(self, room: str, message_id: str, key: str, content: str) -> PairedMessage | None:
        """Return the sent message that was delivered; None if there is none so far."""
        sent = self._by_key.get(("id", room, message_id)) if message_id else None
        if sent is None and key:
            sent = self._by_key.get(("key", room, key))
        if sent is None and content:
            sent = self._by_key.get(("content", room, hash(content)))
            if sent is not None and message_id and sent.message_id:
                return None  # an older message with the same text
        if sent is not None and message_id and not sent.message_id:
            self._add_id(sent, room, message_id)
        return sent

    def hold_unmatched(self, t: float, c: int, room: str, message_id: str, *, is_judged: bool) -> str:
        """Note a delivery without a message, and return the message's pseudonym.

        Without ``is_judged`` it is not flagged.
        """
        known = self._unsent.get((room, message_id)) if message_id else None
        if known is not None:
            return known
        name = self._name_unmatched(room, message_id)
        if is_judged:
            self._unmatched.append(_Unmatched(t + self._grace_s, c, room, message_id, name))
        return name

    def name_of(self, room: str, message_id: str) -> str:
        """Return the pseudonym of a message that an ack lists."""
        sent = self._by_key.get(("id", room, message_id))
        if sent is not None:
            return sent.name
        return self._unsent.get((room, message_id)) or self._name_unmatched(room, message_id)

    def take_unmatched(self, now: float) -> list[tuple[int, str, str]]:
        """Return connection, room and pseudonym of the deliveries that no ack has explained in time."""
        found = []
        while self._unmatched and self._unmatched[0].deadline <= now:
            row = self._unmatched.popleft()
            if ("id", row.room, row.message_id) not in self._by_key:
                found.append((row.c, row.room, row.name))
        return found

    def forget_unmatched(self) -> None:
        """Judge no delivery so far, because frames are missing."""
        self._unmatched.clear()

    def _name_unmatched(self, room: str, message_id: str) -> str:
        name = self._names.next()
        if message_id:
            self._unsent[room, message_id] = name
            if len(self._unsent) > MAX_UNMATCHED:
                self._unsent.popitem(last=False)
        return name

    def _add_id(self, sent: PairedMessage, room: str, message_id: str) -> None:
        sent.message_id = message_id
        self._by_key["id", room, message_id] = sent

    def _forget(self, sent: PairedMessage) -> None:
        room = sent.room
        for key in (("key", room, sent.key), ("content", room, sent.digest), ("id", room, sent.message_id)):
            if self._by_key.get(key) is sent:
                del self._by_key[key]
