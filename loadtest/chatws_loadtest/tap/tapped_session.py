"""State of one Engine.IO session: its number, user, rooms, and what it waits for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from chatws_loadtest.tap.message_pairs import PairedMessage

MAX_SEEN: Final = 512
"""Newest messages of a connection that are remembered, to recognize a second delivery."""

MAX_ROOMS: Final = 1000


@dataclass(slots=True, eq=False)
class PendingAck:
    """Event that waits for its ack."""

    t: float
    session: TappedSession
    event: str
    ack: int
    room: str
    sent: PairedMessage | None
    is_done: bool = False


@dataclass(slots=True, eq=False)
class TappedSession:
    """One connection of a client, over both of its transports."""

    c: int
    transport: str
    seen_at: float
    """Time of the newest packet."""
    sid: str = ""
    user: str = ""
    role: str = ""
    is_open: bool = True
    silence_s: float = 60.0
    """Time after which a polling client is gone."""
    pending: dict[tuple[str, int], PendingAck] = field(default_factory=dict)
    requested: OrderedDict[tuple[str, int], tuple[str, float]] = field(default_factory=OrderedDict)
    """Events of the server that the client has to ack."""
    rooms: OrderedDict[str, None] = field(default_factory=OrderedDict)
    seqs: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """Highest number received, by room."""
    close_by: str = ""
    close_code: int = 0
    close_reason: str = ""
    _seen: OrderedDict[object, None] = field(default_factory=OrderedDict)

    def join(self, room: str) -> None:
        """Note a joined room; the numbers of its messages begin anew."""
        self.rooms[room] = None
        self.seqs.pop(room, None)
        if len(self.rooms) > MAX_ROOMS:
            self.rooms.popitem(last=False)

    def leave(self, room: str) -> None:
        """Note that the connection is no longer in a room."""
        self.rooms.pop(room, None)
        self.seqs.pop(room, None)

    def receive(self, identity: object) -> bool:
        """Note a delivered message; return False if the connection had received it."""
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return True

    def check_seq(self, room: str, seq: int) -> tuple[str, str]:
        """Note the number of a message; return a flag and its detail, or empty strings."""
        last = self.seqs.get(room)
        self.seqs[room] = seq if last is None else max(seq, last)
        if len(self.seqs) > MAX_ROOMS:
            self.seqs.popitem(last=False)
        if last is None or seq == last + 1:
            return "", ""
        if seq > last:
            return "hole", f"{seq} follows {last}"
        return "disorder", f"{seq} follows {last}"

    def forget(self) -> None:
        """Forget what depends on every frame, because some are missing."""
        for waiting in self.pending.values():
            waiting.is_done = True
        self.pending.clear()
        self.requested.clear()
        self.seqs.clear()
