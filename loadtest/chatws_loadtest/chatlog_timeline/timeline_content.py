"""Content of a timeline, from the analysis of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws_loadtest.chatlog.explanation import LATE_S, explain
from chatws_loadtest.chatlog_timeline.absences import find_absences
from chatws_loadtest.chatlog_timeline.room_summary import summarize
from chatws_loadtest.chatlog_timeline.timeline_model import TimelineContent, TimelineMessage, TimelineNote, TimelineRoom

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, RecordedMessage

MAX_EXPLAINED = 2_000
"""Conspicuous messages that the page explains in words; of the others, it shows the times."""


def make_content(found: ChatlogAnalysis, max_explained: int = 0) -> TimelineContent:
    """Return the content, with the explanations of so many conspicuous messages."""
    messages: dict[str, list[TimelineMessage]] = {room: [] for room in found.rooms}
    explained = 0
    for message in found.messages:
        row = _message(found, message)
        if row.state and explained < max_explained:
            row = msgspec.structs.replace(row, words=explain(found, message, notable_first=True))
            explained += 1
        messages.setdefault(message.room, []).append(row)
    rooms = [_room(found, name, rows) for name, rows in messages.items()]
    return TimelineContent(
        begins=_ms(found.begins_s),
        ends=_ms(found.ends_s),
        rooms=sorted(rooms, key=lambda room: -room.summary.trouble),
        roles={row.person: row.role for row in found.connections.values() if row.role},
        notes=_notes(found),
    )


def _room(found: ChatlogAnalysis, name: str, messages: list[TimelineMessage]) -> TimelineRoom:
    # Servers without rooms: the people are those of the messages.
    people = sorted(found.rooms.get(name) or _people_of(messages), key=_by_number)
    # A connection that joined no room may still have received its messages.
    connections = {person: found.connections_to(person, name) or found.connections_of(person) for person in people}
    return TimelineRoom(
        name=name,
        people=people,
        messages=messages,
        absences={
            person: absences
            for person, rows in connections.items()
            if (absences := find_absences(rows, found.begins_s, found.ends_s))
        },
        summary=summarize(messages, cuts=sum(max(0, len(rows) - 1) for rows in connections.values())),
    )


def _people_of(messages: list[TimelineMessage]) -> set[str]:
    return {person for message in messages for person, _, _ in message.to} | {
        message.sender for message in messages if message.sender
    }


def _notes(found: ChatlogAnalysis) -> list[TimelineNote]:
    notes = [TimelineNote(at=_ms(row.t), kind="mark", text=row.text) for row in found.marks]
    for flag in found.flags:
        text = f"{flag.flag} {flag.detail}".strip()
        notes.append(TimelineNote(at=_ms(flag.t), kind="flag", text=text, person=_person(found, flag.c)))
    notes += [
        TimelineNote(at=_ms(row.t), kind="rule", text=row.rule, person=_person(found, row.c)) for row in found.rules
    ]
    return sorted(notes, key=lambda note: note.at)


def _message(found: ChatlogAnalysis, message: RecordedMessage) -> TimelineMessage:
    members = found.rooms.get(message.room, set())
    receivers = {copy.person for copy in message.deliveries}
    missing = sorted((person for person in members - receivers if _should_have(found, message, person)), key=_by_number)
    times = [*message.sent_s, *(copy.at_s for copy in message.deliveries), message.acked_s or 0.0]
    return TimelineMessage(
        name=message.name,
        sender=message.sender,
        begins=_ms(message.begins_s),
        ends=_ms(max(times)),
        sent=[_ms(at_s) for at_s in message.sent_s],
        stored=None if message.committed_s is None else _ms(message.committed_s),
        acked=None if message.acked_s is None else _ms(message.acked_s),
        refused=message.refused,
        seq=message.seq,
        to=[(copy.person, _ms(copy.at_s), copy.kind == "catch-up") for copy in message.deliveries],
        missing=missing,
        state=_state(message, missing),
    )


def _state(message: RecordedMessage, missing: list[str]) -> str:
    people = [copy.person for copy in message.deliveries]
    if message.refused:
        return "refused"
    if missing:
        return "lost"
    if len(people) > len(set(people)):
        return "duplicate"
    if message.sent_s and message.acked_s is None:
        return "unacked"
    if any(copy.kind == "catch-up" for copy in message.deliveries):
        return "catch-up"
    is_late = any(copy.at_s - message.begins_s > LATE_S for copy in message.deliveries)
    return "late" if is_late else ""


def _should_have(found: ChatlogAnalysis, message: RecordedMessage, person: str) -> bool:
    """Return whether a person was connected to the room, or came back to it, once the message was stored."""
    at_s = message.committed_s
    if at_s is None or (person == message.sender and not message.deliveries):
        return False
    rows = found.connections_to(person, message.room)
    was_there = any(row.joined[message.room] <= at_s for row in rows)
    is_there = any(row.closed_s is None or row.closed_s > at_s for row in rows)
    return was_there and is_there


def _person(found: ChatlogAnalysis, number: int | None) -> str:
    row = found.connections.get(number) if number is not None else None
    return "" if row is None else row.person


def _by_number(person: str) -> tuple[int, str]:
    return len(person), person


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
