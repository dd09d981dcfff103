"""Rows of the diagram on the screen: one for each step of a message, absence and note, in the order of time."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from chatws_loadtest.chatlog.explanation import LATE_S
from chatws_loadtest.chatlog_timeline.absences import NOT_CONNECTED_YET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatws_loadtest.chatlog_timeline.timeline_model import TimelineContent, TimelineMessage, TimelineRoom

LATE_MS = round(LATE_S * 1000)
SHARED_MS = 10
"""Time in which the copies for the people of a large room share a row; the explanation has their own times."""


class RowKind(StrEnum):
    """Kind of a row, as the screen names it; rows of the same millisecond are in this order."""

    MARK = "mark"
    RULE = "rule"
    FLAG = "flag"
    CONNECTED = "connected"
    SENT = "sent"
    NO_ACK = "no ack"
    REFUSED = "refused"
    STORED = "stored"
    LOST = "lost"
    LIVE = "live"
    LATE = "late"
    AGAIN = "again"
    CAUGHT_UP = "caught up"
    GONE = "gone"


FAULT_KINDS = frozenset({RowKind.NO_ACK, RowKind.REFUSED, RowKind.LOST, RowKind.AGAIN, RowKind.CAUGHT_UP})
"""Kinds to which the keys for the next and the previous fault go, as those of the page do."""

_ORDER = {kind: number for number, kind in enumerate(RowKind)}


class DiagramRow(NamedTuple):
    """Row of the diagram."""

    at: int
    kind: RowKind
    people: tuple[str, ...]
    """People with a mark in their columns: the sender, the receivers, or those who lack the message."""
    message: TimelineMessage | None = None
    text: str = ""


def make_rows(content: TimelineContent, rooms: Sequence[TimelineRoom], person: str = "") -> list[DiagramRow]:
    """Return the rows of some rooms of a recording; with ``person``, only those of its messages and absences."""
    people = {person} if person else {name for room in rooms for name in room.people}
    rows = [
        DiagramRow(note.at, RowKind(note.kind), (note.person,) if note.person else (), text=note.text)
        for note in content.notes
        if not note.person or note.person in people
    ]
    for room in rooms:
        for message in room.messages:
            if not person or concerns(message, person):
                rows += _message_rows(message)
    rows += _absence_rows(rooms, people, content.ends)
    rows.sort(key=_place)
    return rows


def concerns(message: TimelineMessage, person: str) -> bool:
    """Return whether a person sent, received or missed a message."""
    return message.sender == person or person in message.missing or any(copy[0] == person for copy in message.to)


def _message_rows(message: TimelineMessage) -> Iterator[DiagramRow]:
    kind = RowKind.NO_ACK if message.state == "unacked" else RowKind.SENT
    for number, at in enumerate(message.sent):
        yield DiagramRow(at, kind, (message.sender,), message, "again" if number else "")
    if message.refused and message.acked is not None:
        yield DiagramRow(message.acked, RowKind.REFUSED, (message.sender,), message, message.refused)
    if message.stored is not None:
        yield DiagramRow(message.stored, RowKind.STORED, (), message)
    if message.missing:
        at = message.begins if message.stored is None else message.stored
        yield DiagramRow(at, RowKind.LOST, tuple(message.missing), message)
    yield from _copy_rows(message)


def _copy_rows(message: TimelineMessage) -> Iterator[DiagramRow]:
    """Yield the rows of the copies: those of one kind that arrive within `SHARED_MS` share a row."""
    shared: dict[RowKind, tuple[int, list[str]]] = {}
    served: set[str] = set()
    for person, at, is_caught in sorted(message.to, key=_arrival):
        kind = _copy_kind(message, at, is_caught=is_caught, is_second=person in served)
        served.add(person)
        row = shared.get(kind)
        if row is not None and at - row[0] <= SHARED_MS:
            row[1].append(person)
            continue
        if row is not None:
            yield DiagramRow(row[0], kind, tuple(row[1]), message)
        shared[kind] = at, [person]
    for kind, (at, people) in shared.items():
        yield DiagramRow(at, kind, tuple(people), message)


def _arrival(copy: tuple[str, int, bool]) -> int:
    return copy[1]


def _copy_kind(message: TimelineMessage, at: int, *, is_caught: bool, is_second: bool) -> RowKind:
    if is_second:
        return RowKind.AGAIN
    if is_caught:
        return RowKind.CAUGHT_UP
    return RowKind.LATE if at - message.begins > LATE_MS else RowKind.LIVE


def _absence_rows(rooms: Sequence[TimelineRoom], people: set[str], ends: int) -> Iterator[DiagramRow]:
    # A person may be in several of the rooms.
    changes: defaultdict[tuple[int, RowKind, str], dict[str, None]] = defaultdict(dict)
    for room in rooms:
        for person, absences in room.absences.items():
            if person not in people:
                continue
            for absence in absences:
                if absence.reason != NOT_CONNECTED_YET:
                    changes[absence.since, RowKind.GONE, absence.reason][person] = None
                # The last absence may last until the end of the recording.
                if absence.until < ends:
                    changes[absence.until, RowKind.CONNECTED, ""][person] = None
    return (DiagramRow(at, kind, tuple(names), text=reason) for (at, kind, reason), names in changes.items())


def _place(row: DiagramRow) -> int:
    # One number is compared in half the time of a pair.
    return row.at * len(_ORDER) + _ORDER[row.kind]
