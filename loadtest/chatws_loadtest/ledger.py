"""Ledger of every message sent, acked and received; detects lost, duplicated and reordered ones."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

import msgspec

from chatws_loadtest.deviations import Deviation, DeviationLog
from chatws_loadtest.stream_checker import GapReason, StreamChecker


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Number of messages by outcome; the fields from ``unanswered`` to ``malformed`` are delivery failures.

    The last two are no failures of a server that implements only the guide.
    """

    sent: int = 0
    acked: int = 0
    refused: dict[str, int] = {}
    """By error code."""
    delivered: int = 0
    unanswered: int = 0
    """Neither acked nor refused, or not before the client had to send it again on the same connection."""
    lost: int = 0
    """Acked, but never received by some member, neither live nor by catching up."""
    gaps: int = 0
    """Missing from a live stream that went on, and found by catching up."""
    duplicated: int = 0
    """Received twice by a member on one connection, or with two values of ``seq``."""
    reordered: int = 0
    """Received by a member after a later message."""
    stalled: int = msgspec.field(default=0, name="deaf")
    """Members that reconnected and then received nothing, although messages were acked; those do not count as lost.

    Reports and thresholds call it ``deaf``.
    """
    leaked: int = 0
    """Received by a client that is not a member of the room."""
    altered: int = 0
    """Received with another content, conversation, sender or role than sent."""
    misdated: int = 0
    """Timestamps that are unreadable, not sane, or going backwards."""
    malformed: int = 0
    """Acks and events of another form than the contract's, second acks, and messages with a ``seq`` far ahead."""
    excused: int = 0
    """Missed during a disconnect from a server without history."""
    repeated: int = 0
    """Sent again because the ack was missing, and received twice from a server without idempotent send."""

    @property
    def is_clean(self) -> bool:
        """Whether every message was acked and delivered correctly."""
        return not (self.refused or self.unanswered or self.has_delivery_failures)

    @property
    def has_delivery_failures(self) -> bool:
        """Whether the delivery of acked messages failed; unanswered messages are not included."""
        counts = (self.lost, self.gaps, self.duplicated, self.reordered, self.stalled)
        return any((*counts, self.leaked, self.altered, self.misdated, self.malformed))

    def __add__(self, other: Balance) -> Balance:
        """Add the counts of other messages."""
        sums = {
            name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__ if name != "refused"
        }
        return Balance(refused=dict(Counter(self.refused) + Counter(other.refused)), **sums)


class LedgerEntry(msgspec.Struct, eq=False):
    """Message in flight; the entry is removed once the message is acked and received by every member."""

    number: int
    room: int
    sender: int
    scheduled_s: float
    sent_s: float
    missing: int
    """Bit mask of the members that have not received it."""
    content: str = ""
    seq: int = 0
    """Number under which it was received or acked first; 0: none yet, or the server has none."""
    acked: bool = False
    is_reply: bool = False
    """It answers another message, and is not answered itself."""
    is_altered: bool = False
    """A member received it with another content, conversation, sender or role."""
    timestamp: str | None = None
    """Timestamp of the last copy that was checked, and its Unix time (0: not usable)."""
    dated_s: float = 0.0


@dataclass(slots=True)
class Repeats:
    """Number of times that a message was sent again, and of additional copies that each member received."""

    sent: int = 0
    copies: Counter[int] = field(default_factory=Counter)

    def explain(self, member: int) -> bool:
        """Count one more copy, and return whether the member received no more copies than were sent."""
        self.copies[member] += 1
        return self.copies[member] <= self.sent


class Samples:
    """Buffer of latencies by metric."""

    def __init__(self) -> None:
        self._lists: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, metric: str, seconds: float) -> None:
        self._lists[metric].append(seconds)

    def take(self) -> dict[str, list[int]]:
        """Return the latencies in whole microseconds, at least 0, and clear the buffer."""
        taken, self._lists = self._lists, defaultdict(list)
        return {metric: [max(0, round(seconds * 1e6)) for seconds in latencies] for metric, latencies in taken.items()}


class Ledger:
    """Record of every message of the simulated users; times are in seconds of one clock.

    Latencies count from the *scheduled* time of sending. Those of messages scheduled before ``measure_from_s``, or from
    ``measure_until_s`` on, are not recorded. A ``seq`` of 0 means that the server has none: then only the order of one
    sender's messages is known.
    """

    def __init__(self, *, most_stored: int | None = None) -> None:
        """Create a ledger; ``most_stored`` bounds `stored`, which grows with each message, to a room's latest ones."""
        self.measure_from_s = 0.0
        self.measure_until_s = float("inf")
        self.samples = Samples()
        self.acked = 0
        self.sent = 0
        self.stored: dict[int, deque[tuple[int, int]]] = {}
        """(seq, number) of every message that was acked with a ``seq``, by room."""
        self._most_stored = most_stored
        self.deviations = DeviationLog()
        self.expected: dict[str, LedgerEntry] = {}
        """Messages in flight by content."""
        self.transports: dict[tuple[int, int], str] = {}
        """Transport by room and member; empty if all members have the same one."""
        self._entries: dict[int, LedgerEntry] = {}
        self._members: dict[int, list[StreamChecker]] = {}
        self._present: dict[int, int] = {}
        self._open: Counter[int] = Counter()
        self._refused: Counter[str] = Counter()
        self._delivered = 0
        self._repeats: dict[int, Repeats] = {}
        self._overdue: set[int] = set()

    def open_room(self, room: int, members: int) -> None:
        """Add a conversation with this many members, numbered from 0."""
        self._members[room] = [StreamChecker() for _ in range(members)]
        self._present[room] = (1 << members) - 1
        self.stored[room] = deque(maxlen=self._most_stored)

    def enter(self, room: int, member: int, head: int | None, now_s: float) -> None:
        """Record that a member joined on a new connection; ``head`` is the newest ``seq``, None on a server without."""
        self._present[room] |= 1 << member
        self._members[room][member].enter(head, now_s)

    def drop(self, room: int, member: int) -> None:
        """Record a disconnect: the member need not receive live messages until it enters again."""
        self._members[room][member].drop()

    def leave(self, room: int, member: int) -> None:
        """Record that a member left: it need not receive anything any more, unless it enters again."""
        self.drop(room, member)
        self._present[room] &= ~(1 << member)
        for number, entry in list(self._entries.items()):
            if entry.room == room:
                entry.missing &= ~(1 << member)
                if entry.acked and not entry.missing:
                    self._remove(number, entry)

    def send(self, room: int, sender: int, scheduled_s: float, now_s: float) -> int:
        """Record a message that is sent now, and return its number."""
        number, self.sent = self.sent, self.sent + 1
        self._open[room] += 1
        self._entries[number] = LedgerEntry(number, room, sender, scheduled_s, now_s, self._present[room])
        self._record("send_lag", scheduled_s, now_s)
        return number

    def expect(self, number: int, content: str) -> None:
        """Record the content of a message, which is unique, so that `expected` finds it."""
        entry = self._entries[number]
        entry.content = content
        self.expected[content] = entry

    def entry(self, number: int) -> LedgerEntry | None:
        """Return the message if it is in flight."""
        return self._entries.get(number)

    def skip_echo(self, number: int) -> None:
        """Record that the server does not deliver this message to its sender."""
        entry = self._entries[number]
        entry.missing &= ~(1 << entry.sender)

    def send_again(self, number: int) -> None:
        """Record that a message is sent again to a server without idempotent send."""
        self._repeats.setdefault(number, Repeats()).sent += 1

    def miss_ack(self, number: int) -> None:
        """Record that the server did not answer in time, although the sender's connection did not end."""
        self._overdue.add(number)

    def ack(self, number: int, seq: int, now_s: float) -> None:
        """Record an ack, by which the server confirms that the message is stored; ``seq`` is 0 if it has none."""
        entry = self._entries[number]
        entry.acked = True
        self.acked += 1
        if seq:
            entry.seq = entry.seq or seq
            self.stored[entry.room].append((seq, number))
        self._record("ack", entry.scheduled_s, now_s)
        if self.transports:
            self._record(f"ack@{self.transports[entry.room, entry.sender]}", entry.scheduled_s, now_s)
        if not entry.missing:
            self._remove(number, entry)

    def refuse(self, number: int, code: str) -> None:
        """Record the server's final refusal."""
        self._remove(number, self._entries[number])
        self._refused[code] += 1

    def receive(
        self, room: int, member: int, *, sender: int, number: int, seq: int, now_s: float, dated_s: float = 0.0
    ) -> None:
        """Record a live copy received by a member, which may be the sender; ``dated_s`` is its timestamp."""
        entry = self._entries.get(number)
        is_new = entry is not None and bool(entry.missing >> member & 1)
        stream = self._members[room][member]
        if seq:
            stream.receive(seq, dated_s, is_new=is_new, other_seq=0 if is_new else self._find_seq(room, number))
        else:
            is_repeat = not is_new and number in self._repeats and self._repeats[number].explain(member)
            stream.receive_unnumbered(sender, number, dated_s, is_new=is_new, is_repeat=is_repeat)
        if entry is not None and is_new:
            self._deliver(number, entry, member, seq, now_s)

    def receive_expected(self, entry: LedgerEntry, member: int, seq: int, now_s: float) -> None:
        """Record a live copy of a message in flight, as `receive` does."""
        if seq and entry.missing >> member & 1:
            # Nearly every copy: the entry need not be looked up.
            self._members[entry.room][member].receive(seq, entry.dated_s, is_new=True)
            self._deliver(entry.number, entry, member, seq, now_s)
        else:
            self.receive(
                entry.room,
                member,
                sender=entry.sender,
                number=entry.number,
                seq=seq,
                now_s=now_s,
                dated_s=entry.dated_s,
            )

    def catch_up(self, room: int, member: int, number: int, seq: int, now_s: float) -> None:
        """Record a copy that a member received in the reply to a join or to a history request."""
        self._members[room][member].fetch(seq)
        entry = self._entries.get(number)
        if entry is not None and entry.missing >> member & 1:
            self._deliver(number, entry, member, seq, now_s)

    def is_room_settled(self, room: int) -> bool:
        """Return whether no message of this room is in flight."""
        return not self._open[room]

    @property
    def is_settled(self) -> bool:
        """Whether every message is acked or refused, and every acked one received by every member."""
        return not self._entries

    def balance(self) -> Balance:
        """Count the messages by outcome; valid once no more messages can arrive."""
        members = [member for room in self._members.values() for member in room]
        lost = excused = 0
        stalled: set[tuple[int, int]] = set()
        for entry in self._entries.values():
            if not entry.acked:
                continue
            missing = [index for index in range(entry.missing.bit_length()) if entry.missing >> index & 1]
            reasons = [self._members[entry.room][index].explain_missing(entry.sent_s) for index in missing]
            stalled.update(
                (entry.room, index)
                for index, reason in zip(missing, reasons, strict=True)
                if reason is GapReason.STREAM_STALLED
            )
            lost += None in reasons
            excused += GapReason.DISCONNECTED in reasons
        return Balance(
            sent=self.sent,
            acked=self.acked,
            refused=dict(self._refused),
            delivered=self._delivered,
            unanswered=len(self._overdue | {number for number, entry in self._entries.items() if not entry.acked}),
            lost=lost,
            gaps=sum(member.gaps for member in members),
            duplicated=sum(member.duplicated for member in members),
            reordered=sum(member.reordered for member in members),
            stalled=len(stalled),
            excused=excused,
            repeated=sum(bool(item.copies) for number, item in self._repeats.items() if number not in self._overdue),
            leaked=self.deviations.count("leaked"),
            altered=self.deviations.count("altered"),
            misdated=self.deviations.count("misdated") + self._backdated(),
            malformed=self.deviations.count("malformed") + self._misnumbered(),
        )

    def found_deviations(self) -> list[Deviation]:
        """Return the deviations of every kind."""
        found = self.deviations.found()
        if backdated := self._backdated():
            found.append(Deviation("misdated", "earlier than the message before", backdated))
        if misnumbered := self._misnumbered():
            found.append(Deviation("malformed", "messages with a seq far ahead of the one before", misnumbered))
        return found

    def _backdated(self) -> int:
        return sum(member.backdated for room in self._members.values() for member in room)

    def _misnumbered(self) -> int:
        return sum(member.misnumbered for room in self._members.values() for member in room)

    def _find_seq(self, room: int, number: int) -> int:
        """Return the ``seq`` of a message that was received or acked; 0 if there is none."""
        entry = self._entries.get(number)
        if entry is not None:
            return entry.seq
        # Copies of acked messages are rare, and soon after the ack.
        return next((seq for seq, acked in reversed(self.stored[room]) if acked == number), 0)

    def _deliver(self, number: int, entry: LedgerEntry, member: int, seq: int, now_s: float) -> None:
        entry.missing &= ~(1 << member)
        entry.seq = entry.seq or seq
        if member != entry.sender:
            self._delivered += 1
            self._record("message", entry.scheduled_s, now_s)
            if self.transports:
                self._record(f"message@{self.transports[entry.room, member]}", entry.scheduled_s, now_s)
        if entry.acked and not entry.missing:
            self._remove(number, entry)

    def _remove(self, number: int, entry: LedgerEntry) -> None:
        del self._entries[number]
        self.expected.pop(entry.content, None)
        self._open[entry.room] -= 1

    def _record(self, metric: str, scheduled_s: float, now_s: float) -> None:
        if self.measure_from_s <= scheduled_s < self.measure_until_s:
            self.samples.add(metric, now_s - scheduled_s)
