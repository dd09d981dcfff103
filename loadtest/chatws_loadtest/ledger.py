"""The account of every message: sent, acked, delivered, so that none is lost, doubled or swapped unseen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from chatws_loadtest.samples import Percentiles, percentiles

MEMBERS = 2
"""A conversation of the load has a customer (0) and an agent (1)."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all messages; the last four are faults of the server.

    ``unanswered``: neither acked nor refused. ``lost``: acked, but some member never received it. ``duplicated``: a
    member received it again. ``reordered``: a member received it after one with a higher ``seq``.
    """

    sent: int
    acked: int
    refused: dict[str, int]
    delivered: int
    unanswered: int
    lost: int
    duplicated: int
    reordered: int

    @property
    def is_clean(self) -> bool:
        return not (self.refused or self.unanswered or self.lost or self.duplicated or self.reordered)


@dataclass(slots=True)
class Entry:
    """One message on its way."""

    sender: int
    intended_s: float
    seq: int = 0  # set by the ack
    refused: bool = False
    copies: list[int] = field(default_factory=lambda: [0] * MEMBERS)


class Ledger:
    """Books what happens; times are of one clock, in seconds, and latencies count from the *intended* time of sending.

    Messages intended before ``measure_from_s`` (the warm-up) are booked but not timed.
    """

    def __init__(self) -> None:
        self.measure_from_s = 0.0
        self.acked = 0
        self._entries: list[Entry] = []
        # Highest seq each member of each conversation has received.
        self._heads: dict[tuple[int, int], int] = {}
        self._refused: Counter[str] = Counter()
        self._reordered = 0
        self._to_ack_s: list[float] = []
        self._to_peer_s: list[float] = []
        self._lag_s: list[float] = []

    def send(self, sender: int, intended_s: float, now_s: float) -> int:
        """Book a message that leaves now and return its number."""
        self._entries.append(Entry(sender, intended_s))
        if intended_s >= self.measure_from_s:
            self._lag_s.append(now_s - intended_s)
        return len(self._entries) - 1

    def ack(self, number: int, seq: int, now_s: float) -> None:
        """Book the server's promise that the message is stored."""
        entry = self._entries[number]
        entry.seq = seq
        self.acked += 1
        if entry.intended_s >= self.measure_from_s:
            self._to_ack_s.append(now_s - entry.intended_s)

    def refuse(self, number: int, code: str) -> None:
        """Book the server's refusal."""
        self._entries[number].refused = True
        self._refused[code] += 1

    def receive(self, conversation: int, member: int, number: int, seq: int, now_s: float) -> None:
        """Book a copy that reached a member, the sender's own included."""
        entry = self._entries[number]
        entry.copies[member] += 1
        if entry.copies[member] > 1:
            return
        if seq <= self._heads.get((conversation, member), 0):
            self._reordered += 1
        else:
            self._heads[conversation, member] = seq
        if member != entry.sender and entry.intended_s >= self.measure_from_s:
            self._to_peer_s.append(now_s - entry.intended_s)

    @property
    def is_settled(self) -> bool:
        """Whether every message is answered, and every acked one with every member."""
        return all(entry.refused or (entry.seq and all(entry.copies)) for entry in self._entries)

    def counts(self) -> Counts:
        """Draw the balance; call it once nothing more can arrive."""
        entries = self._entries
        return Counts(
            sent=len(entries),
            acked=self.acked,
            refused=dict(self._refused),
            delivered=sum(entry.copies[1 - entry.sender] > 0 for entry in entries),
            unanswered=sum(not entry.seq and not entry.refused for entry in entries),
            lost=sum(entry.seq > 0 and not all(entry.copies) for entry in entries),
            duplicated=sum(copies - 1 for entry in entries for copies in entry.copies if copies > 1),
            reordered=self._reordered,
        )

    def latencies(self) -> tuple[Percentiles, Percentiles, Percentiles]:
        """Describe, over the measured messages: time to the ack, time to the peer, and the generator's own lag."""
        return percentiles(self._to_ack_s), percentiles(self._to_peer_s), percentiles(self._lag_s)
