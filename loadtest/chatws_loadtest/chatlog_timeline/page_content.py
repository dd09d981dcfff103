"""Content of the page of a recording, as the script of the page reads it: short names, times in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws_loadtest.chatlog.explanation import LATE_S, explain

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, RecordedMessage

MAX_EXPLAINED = 2_000
"""Conspicuous messages with an explanation in words; of the others, the page shows the times."""


class PageMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Message of a room."""

    name: str
    sender: str
    sent: list[int]
    acked: int | None = None
    refused: str = ""
    seq: int = 0
    to: list[tuple[str, int, bool]]
    """Person, time, and whether it was a catch-up."""
    missing: list[str] = []
    """Members who never received it."""
    state: str = ""
    """``lost``, ``duplicate``, ``refused``, ``unacked``, ``late`` or ``catch-up``; empty: live and in time."""
    words: list[str] = []


class PageRoom(msgspec.Struct, frozen=True, kw_only=True):
    """Room with its people and messages."""

    name: str
    people: list[str]
    messages: list[PageMessage]


class PageConnection(msgspec.Struct, frozen=True, kw_only=True):
    """Connection of a person."""

    person: str
    rooms: list[str]
    opened: int
    closed: int | None
    reason: str


class PageNote(msgspec.Struct, frozen=True, kw_only=True):
    """Flag, rule or mark at a time."""

    at: int
    kind: str
    text: str
    person: str = ""


class PageContent(msgspec.Struct, frozen=True, kw_only=True):
    """Whole recording."""

    begins: int
    ends: int
    rooms: list[PageRoom]
    connections: list[PageConnection]
    roles: dict[str, str]
    notes: list[PageNote]


def make_content(found: ChatlogAnalysis) -> PageContent:
    """Return the content of the page."""
    rooms: dict[str, list[PageMessage]] = {room: [] for room in found.rooms}
    explained = 0
    for message in found.messages:
        row = _message(found, message)
        if row.state and explained < MAX_EXPLAINED:
            row = msgspec.structs.replace(row, words=explain(found, message))
            explained += 1
        rooms.setdefault(message.room, []).append(row)
    return PageContent(
        begins=_ms(found.begins_s),
        ends=_ms(found.ends_s),
        rooms=[
            PageRoom(name=room, people=sorted(found.rooms.get(room, ()), key=_by_number), messages=rows)
            for room, rows in rooms.items()
        ],
        connections=[
            PageConnection(
                person=row.person,
                rooms=list(row.joined),
                opened=_ms(row.opened_s),
                closed=None if row.closed_s is None else _ms(row.closed_s),
                reason=f"{row.closed_by}: {row.reason or row.code or 'closed'}" if row.closed_s is not None else "",
            )
            for row in found.connections.values()
        ],
        roles={row.person: row.role for row in found.connections.values() if row.role},
        notes=_notes(found),
    )


def _notes(found: ChatlogAnalysis) -> list[PageNote]:
    notes = [PageNote(at=_ms(row.t), kind="mark", text=row.text) for row in found.marks]
    for flag in found.flags:
        text = f"{flag.flag} {flag.detail}".strip()
        notes.append(PageNote(at=_ms(flag.t), kind="flag", text=text, person=_person(found, flag.c)))
    notes += [PageNote(at=_ms(row.t), kind="rule", text=row.rule, person=_person(found, row.c)) for row in found.rules]
    return sorted(notes, key=lambda note: note.at)


def _message(found: ChatlogAnalysis, message: RecordedMessage) -> PageMessage:
    members = found.rooms.get(message.room, set())
    receivers = {copy.person for copy in message.deliveries}
    missing = sorted((person for person in members - receivers if _should_have(found, message, person)), key=_by_number)
    return PageMessage(
        name=message.name,
        sender=message.sender,
        sent=[_ms(at_s) for at_s in message.sent_s],
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
