"""Model of a timeline, which the page and the screen show: rooms, messages and absences, with times in milliseconds."""

from __future__ import annotations

import msgspec


class TimelineMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Message of a room."""

    name: str
    sender: str
    begins: int
    """First trace of it."""
    ends: int
    """Last trace of it."""
    sent: list[int]
    stored: int | None = None
    """First time at which the server had certainly stored it."""
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
    """Explanation, if the message is conspicuous."""


class Absence(msgspec.Struct, frozen=True, array_like=True):
    """Time without a connection to a room, in milliseconds."""

    since: int
    until: int
    reason: str
    """Reason for the end of the connection before it."""


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies, cuts and faults of a room."""

    p50_ms: int | None
    """Latency of live deliveries; None without one."""
    p99_ms: int | None
    cuts: int
    """Connections of its people after their first one."""
    caught_up: int
    late: int
    faults: int
    """Messages that were lost, delivered twice, refused, or not acked."""
    trouble: int
    """Sum of the weights of its messages."""


class TimelineRoom(msgspec.Struct, frozen=True, kw_only=True):
    """Room with its people and messages."""

    name: str
    people: list[str]
    messages: list[TimelineMessage]
    absences: dict[str, list[Absence]]
    """Absences by person, in their order."""
    summary: RoomSummary


class TimelineNote(msgspec.Struct, frozen=True, kw_only=True):
    """Flag, rule or mark at a time."""

    at: int
    kind: str
    text: str
    person: str = ""


class TimelineContent(msgspec.Struct, frozen=True, kw_only=True):
    """Whole recording."""

    begins: int
    ends: int
    rooms: list[TimelineRoom]
    """Rooms with faults first."""
    roles: dict[str, str]
    notes: list[TimelineNote]
