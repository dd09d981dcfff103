"""The account of every message: sent, acked, received, so that none is lost, doubled or swapped unseen."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from chatws_loadtest.stream_checker import GapReason, StreamChecker


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all messages; what is named from ``unanswered`` on is a fault.

    ``unanswered``: neither acked nor refused. ``lost``: acked, but some member never received it, live or by catching
    up. ``gaps``: left out of a live stream that went on, and found by catching up. ``duplicated``: a member received it
    twice on one connection. ``reordered``: a member received it after a later one. ``deaf``: members who came back and
    then received nothing, although messages were acked; what they missed does not count as lost. Two are no faults of
    a server that knows only the guide: ``excused``, missed while away where there is no catching up, and ``repeated``,
    sent again for want of an ack and shown twice where a send cannot be told from its repeat.
    """

    sent: int = 0
    acked: int = 0
    refused: dict[str, int] = {}
    delivered: int = 0
    unanswered: int = 0
    lost: int = 0
    gaps: int = 0
    duplicated: int = 0
    reordered: int = 0
    deaf: int = 0
    excused: int = 0
    repeated: int = 0

    @property
    def is_clean(self) -> bool:
        faults = self.unanswered, self.lost, self.gaps, self.duplicated, self.reordered, self.deaf
        return not self.refused and not any(faults)

    def __add__(self, other: Balance) -> Balance:
        """Add another account of other messages."""
        sums = {
            name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__ if name != "refused"
        }
        return Balance(refused=dict(Counter(self.refused) + Counter(other.refused)), **sums)


class LedgerEntry(msgspec.Struct, eq=False):
    """One message on its way; it is forgotten once it is acked and with everybody."""

    room: int
    sender: int
    intended_s: float
    sent_s: float
    missing: int
    """One bit for each member who has not received it."""
    acked: bool = False


@dataclass(slots=True)
class Repeats:
    """How often a message was sent again, and the second copies that members received of it since."""

    sent: int = 0
    copies: Counter[int] = field(default_factory=Counter)

    def explain(self, member: int) -> bool:
        """Note one more copy; whether the member got no more of them than were sent."""
        self.copies[member] += 1
        return self.copies[member] <= self.sent


class Samples:
    """Latencies in microseconds by metric, since they were last taken."""

    def __init__(self) -> None:
        self._lists: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, metric: str, seconds: float) -> None:
        """Note one."""
        self._lists[metric].append(seconds)

    def take(self) -> dict[str, list[int]]:
        """Hand over what was noted, in whole microseconds and never below zero, and start anew."""
        taken, self._lists = self._lists, defaultdict(list)
        return {metric: [max(0, round(seconds * 1e6)) for seconds in noted] for metric, noted in taken.items()}


class Ledger:
    """Books what happens; times are of one clock, in seconds, and latencies count from the *intended* time of sending.

    Messages intended before ``measure_from_s`` or from ``measure_until_s`` on are booked but not timed. A ``seq`` of 0
    is that of a server which has none: order is then known per sender only.
    """

    def __init__(self) -> None:
        self.measure_from_s = 0.0
        self.measure_until_s = float("inf")
        self.samples = Samples()
        self.acked = 0
        self.sent = 0
        self.stored: dict[int, list[tuple[int, int]]] = {}
        """Per room, (seq, number) of everything the server said it had stored."""
        self._entries: dict[int, LedgerEntry] = {}
        self._members: dict[int, list[StreamChecker]] = {}
        self._present: dict[int, int] = {}
        self._open: Counter[int] = Counter()
        self._refused: Counter[str] = Counter()
        self._delivered = 0
        self._repeats: dict[int, Repeats] = {}

    def open_room(self, room: int, members: int) -> None:
        """Begin to book a conversation of this many members, numbered from 0."""
        self._members[room] = [StreamChecker() for _ in range(members)]
        self._present[room] = (1 << members) - 1
        self.stored[room] = []

    def enter(self, room: int, member: int, head: int | None, now_s: float) -> None:
        """Book that a member is in the room, on a new connection.

        ``head`` is the newest ``seq`` at that moment; None on a server without.
        """
        self._members[room][member].enter(head, now_s)

    def drop(self, room: int, member: int) -> None:
        """Book that a member's connection has ended: no live message is due to it until it enters again."""
        self._members[room][member].drop()

    def leave(self, room: int, member: int) -> None:
        """Book that a member is gone for good: nothing is due to it any more."""
        self.drop(room, member)
        self._present[room] &= ~(1 << member)
        for number, entry in list(self._entries.items()):
            if entry.room == room:
                entry.missing &= ~(1 << member)
                if entry.acked and not entry.missing:
                    self._retire(number, entry)

    def send(self, room: int, sender: int, intended_s: float, now_s: float) -> int:
        """Book a message that leaves now and return its number."""
        number, self.sent = self.sent, self.sent + 1
        self._open[room] += 1
        self._entries[number] = LedgerEntry(room, sender, intended_s, now_s, self._present[room])
        self._note("send_lag", intended_s, now_s)
        return number

    def send_again(self, number: int) -> None:
        """Book that a message leaves once more, to a server that cannot tell it from another one."""
        self._repeats.setdefault(number, Repeats()).sent += 1

    def ack(self, number: int, seq: int, now_s: float) -> None:
        """Book the server's promise that the message is stored."""
        entry = self._entries[number]
        entry.acked = True
        self.acked += 1
        self.stored[entry.room].append((seq, number))
        self._note("ack", entry.intended_s, now_s)
        if not entry.missing:
            self._retire(number, entry)

    def refuse(self, number: int, code: str) -> None:
        """Book the server's final refusal."""
        self._open[self._entries.pop(number).room] -= 1
        self._refused[code] += 1

    def receive(self, room: int, member: int, *, sender: int, number: int, seq: int, now_s: float) -> None:
        """Book a live copy that reached a member, the sender's own included."""
        entry = self._entries.get(number)
        is_new = entry is not None and bool(entry.missing >> member & 1)
        listener = self._members[room][member]
        if seq:
            listener.hear(seq, is_new=is_new)
        else:
            is_repeat = not is_new and number in self._repeats and self._repeats[number].explain(member)
            listener.hear_unnumbered(sender, number, is_new=is_new, is_repeat=is_repeat)
        if entry is not None and is_new:
            self._deliver(number, entry, member, now_s)

    def catch_up(self, room: int, member: int, number: int, seq: int, now_s: float) -> None:
        """Book a copy that a member received by asking: with its join, or as a page of history."""
        self._members[room][member].fetch(seq)
        entry = self._entries.get(number)
        if entry is not None and entry.missing >> member & 1:
            self._deliver(number, entry, member, now_s)

    def is_room_settled(self, room: int) -> bool:
        """Whether nothing of this room is on its way."""
        return not self._open[room]

    @property
    def is_settled(self) -> bool:
        """Whether every message is answered, and every acked one with every member."""
        return not self._entries

    def balance(self) -> Balance:
        """Draw the balance; call it once nothing more can arrive."""
        members = [member for room in self._members.values() for member in room]
        lost = excused = 0
        deaf: set[tuple[int, int]] = set()
        for entry in self._entries.values():
            if not entry.acked:
                continue
            missing = [index for index in range(entry.missing.bit_length()) if entry.missing >> index & 1]
            excuses = [self._members[entry.room][index].excuse(entry.sent_s) for index in missing]
            deaf.update(
                (entry.room, index) for index, why in zip(missing, excuses, strict=True) if why is GapReason.DEAF
            )
            lost += None in excuses
            excused += GapReason.AWAY in excuses
        return Balance(
            sent=self.sent,
            acked=self.acked,
            refused=dict(self._refused),
            delivered=self._delivered,
            unanswered=sum(not entry.acked for entry in self._entries.values()),
            lost=lost,
            gaps=sum(member.gaps for member in members),
            duplicated=sum(member.duplicated for member in members),
            reordered=sum(member.reordered for member in members),
            deaf=len(deaf),
            excused=excused,
            repeated=sum(bool(repeats.copies) for repeats in self._repeats.values()),
        )

    def _deliver(self, number: int, entry: LedgerEntry, member: int, now_s: float) -> None:
        entry.missing &= ~(1 << member)
        if member != entry.sender:
            self._delivered += 1
            self._note("message", entry.intended_s, now_s)
        if entry.acked and not entry.missing:
            self._retire(number, entry)

    def _retire(self, number: int, entry: LedgerEntry) -> None:
        del self._entries[number]
        self._open[entry.room] -= 1

    def _note(self, metric: str, intended_s: float, now_s: float) -> None:
        if self.measure_from_s <= intended_s < self.measure_until_s:
            self.samples.add(metric, now_s - intended_s)
