"""Analysis of a recording: its people with their connections, its rooms, and the way of each message."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.records import (
    AckRecord,
    CloseRecord,
    FlagRecord,
    IdentityRecord,
    InRecord,
    MarkRecord,
    OpenRecord,
    OutRecord,
    RuleRecord,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.chatlog.reader import Chatlog

GUIDE_NAMES: Final = ChatEventNames()


@dataclass(slots=True)
class RecordedConnection:
    """Connection of a person; ``closed_s`` is None if the recording ends before it."""

    number: int
    opened_s: float
    user: str = ""
    role: str = ""
    closed_s: float | None = None
    closed_by: str = ""
    reason: str = ""
    code: int | None = None
    joined: dict[str, float] = field(default_factory=dict)
    """Time of the first join by room, also if the room was left again."""

    @property
    def person(self) -> str:
        """User, or the connection if its user is not known."""
        return self.user or f"c{self.number}"


@dataclass(frozen=True, slots=True)
class RecordedDelivery:
    """Copy of a message that a person received."""

    person: str
    at_s: float
    kind: Literal["live", "catch-up"]


@dataclass(slots=True)
class RecordedMessage:
    """Way of a message from its sender to the members of the room."""

    name: str
    """Pseudonym of the message, or of its client id if the server did not store it."""
    room: str
    sender: str = ""
    """Person who sent it; empty if its connection was not recorded."""
    sent_s: list[float] = field(default_factory=list)
    """Times of sending; more than one if it was repeated."""
    acked_s: float | None = None
    refused: str = ""
    """Error code of a refusal."""
    seq: int = 0
    chars: int = 0
    deliveries: list[RecordedDelivery] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Flags and rules that name the message."""

    @property
    def begins_s(self) -> float:
        """Time of the first trace of it."""
        times = [*self.sent_s[:1], *(copy.at_s for copy in self.deliveries[:1])]
        return min(times) if times else (self.acked_s or 0.0)

    @property
    def committed_s(self) -> float | None:
        """First time at which the server had certainly stored it: its ack, or the first delivery."""
        times = [copy.at_s for copy in self.deliveries]
        if self.acked_s is not None and not self.refused:
            times.append(self.acked_s)
        return min(times, default=None)


class MessageArrival(NamedTuple):
    """Time at which a person received a message."""

    at_s: float
    name: str


@dataclass(frozen=True)
class ChatlogAnalysis:
    """Facts of a recording, by connection, person, room and message."""

    begins_s: float
    ends_s: float
    connections: dict[int, RecordedConnection]
    rooms: dict[str, set[str]]
    """People of each room."""
    messages: list[RecordedMessage]
    """In the order of their first trace."""
    flags: list[FlagRecord]
    marks: list[MarkRecord]
    rules: list[RuleRecord]

    @cached_property
    def _by_person(self) -> dict[str, list[RecordedConnection]]:
        rows: defaultdict[str, list[RecordedConnection]] = defaultdict(list)
        for row in self.connections.values():
            rows[row.person].append(row)
        return rows

    def connections_of(self, person: str) -> list[RecordedConnection]:
        """Return a person's connections in the order of their start."""
        return self._by_person.get(person, [])

    def connections_to(self, person: str, room: str) -> list[RecordedConnection]:
        """Return the connections with which a person joined a room."""
        return [row for row in self.connections_of(person) if room in row.joined]

    @cached_property
    def _arrivals(self) -> dict[tuple[str, str], list[MessageArrival]]:
        """Arrivals by person and room, in the order of time."""
        found: defaultdict[tuple[str, str], list[MessageArrival]] = defaultdict(list)
        for message in self.messages:
            for copy in message.deliveries:
                found[copy.person, message.room].append(MessageArrival(copy.at_s, message.name))
        for arrivals in found.values():
            arrivals.sort()
        return found

    def next_arrival(self, person: str, room: str, after_s: float) -> MessageArrival | None:
        """Return the first message of a room that a person received after a time; None if there is none."""
        arrivals = self._arrivals.get((person, room), [])
        at = bisect_right(arrivals, after_s, key=lambda arrival: arrival.at_s)
        return arrivals[at] if at < len(arrivals) else None

    def find_message(self, name: str) -> RecordedMessage | None:
        return next((row for row in self.messages if row.name == name), None)


def analyse(log: Chatlog, names: ChatEventNames = GUIDE_NAMES) -> ChatlogAnalysis:
    """Analyse a recording, whose events have these names."""
    connections = _connections(log, names)
    tracer = _MessageTracer(connections, names)
    for record in log.records:
        if isinstance(record, OutRecord) and record.event == names.send:
            tracer.add_send(record)
        elif isinstance(record, AckRecord):
            tracer.add_ack(record)
    for record in log.records:
        if isinstance(record, InRecord) and record.event == names.received:
            tracer.add_delivery(record)
        elif isinstance(record, AckRecord):
            tracer.add_catch_up(record)
    notes = [record for record in log.records if isinstance(record, FlagRecord | RuleRecord)]
    for note in notes:
        tracer.add_note(note)
    return ChatlogAnalysis(
        begins_s=log.records[0].t if log.records else 0.0,
        ends_s=log.duration_s,
        connections=connections,
        rooms=_rooms(connections, tracer.messages),
        messages=sorted(tracer.messages, key=lambda row: row.begins_s),
        flags=[note for note in notes if isinstance(note, FlagRecord)],
        marks=[record for record in log.records if isinstance(record, MarkRecord)],
        rules=[note for note in notes if isinstance(note, RuleRecord)],
    )


def _connections(log: Chatlog, names: ChatEventNames) -> dict[int, RecordedConnection]:
    found: dict[int, RecordedConnection] = {}
    for record in log.records:
        match record:
            case OpenRecord():
                found[record.c] = RecordedConnection(record.c, record.t, record.user, record.role)
            case IdentityRecord() if record.c in found:
                found[record.c].user, found[record.c].role = record.user, record.role
            case OutRecord() if record.c in found and record.room and record.event == names.join:
                found[record.c].joined.setdefault(record.room, record.t)
            case CloseRecord() if record.c in found:
                row = found[record.c]
                row.closed_s, row.closed_by, row.reason, row.code = record.t, record.by, record.reason, record.code
    return found


def _rooms(connections: dict[int, RecordedConnection], messages: Sequence[RecordedMessage]) -> dict[str, set[str]]:
    rooms: defaultdict[str, set[str]] = defaultdict(set)
    for connection in connections.values():
        for room in connection.joined:
            rooms[room].add(connection.person)
    for message in messages:
        if message.room:
            rooms[message.room].update({copy.person for copy in message.deliveries} | ({message.sender} - {""}))
    return dict(sorted(rooms.items(), key=lambda row: _natural(row[0])))


class _MessageTracer:
    """Pairing of the records of each message: sends, acks, deliveries."""

    def __init__(self, connections: dict[int, RecordedConnection], names: ChatEventNames) -> None:
        self.messages: list[RecordedMessage] = []
        self._connections = connections
        self._names = names
        self._by_name: dict[str, RecordedMessage] = {}
        self._by_key: dict[str, RecordedMessage] = {}
        # Sends by connection and ack id.
        self._awaiting: dict[tuple[int, int], RecordedMessage] = {}

    def add_send(self, record: OutRecord) -> None:
        message = self._by_key.get(record.key) if record.key else None
        if message is None:
            name = record.key or f"c{record.c}.{record.ack if record.ack is not None else len(self.messages)}"
            message = RecordedMessage(name, record.room, self._person(record.c), chars=record.chars)
            self.messages.append(message)
            if record.key:
                self._by_key[record.key] = message
        message.sent_s.append(record.t)
        if record.ack is not None:
            self._awaiting[record.c, record.ack] = message

    def add_ack(self, record: AckRecord) -> None:
        message = self._awaiting.pop((record.c, record.ack), None)
        if message is None:
            return
        if message.acked_s is None or message.refused:
            message.acked_s = record.t
            message.refused = (record.error or "refused") if record.ok is False else ""
        message.seq = message.seq or record.seq
        if record.message:
            self._rename(message, record.message)

    def add_delivery(self, record: InRecord) -> None:
        message = self._find(record)
        message.seq = message.seq or record.seq
        message.room = message.room or record.room
        message.deliveries.append(RecordedDelivery(self._person(record.c), record.t, "live"))

    def add_catch_up(self, record: AckRecord) -> None:
        person = self._person(record.c)
        for name in record.messages:
            message = self._by_name.get(name)
            # A page of the history repeats what the person has already.
            if message is not None and all(copy.person != person for copy in message.deliveries):
                message.deliveries.append(RecordedDelivery(person, record.t, "catch-up"))

    def add_note(self, note: FlagRecord | RuleRecord) -> None:
        message = self._by_name.get(note.message) or self._by_key.get(note.message)
        if message is not None:
            text = f"{note.flag}: {note.detail}" if isinstance(note, FlagRecord) else f"rule: {note.rule}"
            message.notes.append(text.rstrip(": "))

    def _find(self, record: InRecord) -> RecordedMessage:
        message = self._by_name.get(record.message) or self._by_key.get(record.key)
        if message is None:
            # Its sender was not recorded, or its ack was lost.
            name = record.message or record.key or f"c{record.c}@{record.t}"
            message = RecordedMessage(name, record.room)
            self.messages.append(message)
            if record.key:
                self._by_key[record.key] = message
        if record.message and record.message not in self._by_name:
            self._rename(message, record.message)
        return message

    def _rename(self, message: RecordedMessage, name: str) -> None:
        message.name = name
        self._by_name[name] = message

    def _person(self, number: int) -> str:
        connection = self._connections.get(number)
        return f"c{number}" if connection is None else connection.person


def _natural(name: str) -> tuple[str, int]:
    """Sort ``r2`` before ``r10``."""
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyz")
    return (name[: len(name) - len(digits)], int(digits)) if digits.isascii() and digits.isdigit() else (name, 0)
