"""Records of a tap as records of a ``.chatlog``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatws_loadtest.chatlog.records import (
    AckRecord,
    ClosedBy,
    CloseRecord,
    FlagRecord,
    IdentityRecord,
    InRecord,
    MarkRecord,
    OpenRecord,
    OutRecord,
    Record,
    RuleRecord,
    Transport,
    UpgradeRecord,
)
from chatws_loadtest.tap.tap_records import TapRecord

CONTROLS: Final = frozenset({"CONNECT", "DISCONNECT", "CONNECT_ERROR"})
"""Packets that a tap shows as events; a recording has events only."""


def chatlog_records(record: TapRecord) -> list[Record]:
    """Return the records of a recording; there are none for HTTP, acks of clients and control packets."""
    make = _MAKERS.get(record.type)
    return [] if make is None or record.event in CONTROLS else make(record)


def _open(record: TapRecord) -> list[Record]:
    transport: Transport = "polling" if record.transport == "polling" else "websocket"
    return [OpenRecord(t=record.t, c=record.c, transport=transport)]


def _close(record: TapRecord) -> list[Record]:
    by: ClosedBy = "client" if record.by == "client" else "server" if record.by == "server" else "tap"
    return [CloseRecord(t=record.t, c=record.c, by=by, code=record.code or None, reason=record.reason)]


def _out(record: TapRecord) -> list[Record]:
    return [
        OutRecord(
            t=record.t,
            c=record.c,
            event=record.event,
            ack=record.ack,
            room=record.room,
            size=record.size,
            chars=record.chars,
            key=record.key,
            content=record.content,
        )
    ]


def _in(record: TapRecord) -> list[Record]:
    found: list[Record] = []
    if record.role:
        found.append(IdentityRecord(t=record.t, c=record.c, user=record.user, role=record.role))
    found.append(
        InRecord(
            t=record.t,
            c=record.c,
            event=record.event,
            room=record.room,
            size=record.size,
            message=record.message,
            seq=record.seq or 0,
            key=record.key,
            user=record.sender or (record.user if record.role else ""),
            content=record.content,
        )
    )
    return found


def _ack(record: TapRecord) -> list[Record]:
    return [
        AckRecord(
            t=record.t,
            c=record.c,
            ack=record.ack or 0,
            ok=record.ok,
            error=record.error,
            message=record.message if record.ok is not False else "",
            seq=record.seq or 0,
            size=record.size,
            messages=record.messages,
        )
    ]


def _flag(record: TapRecord) -> list[Record]:
    number = record.c or None
    return [FlagRecord(t=record.t, flag=record.flag, c=number, message=record.message, detail=record.detail)]


def _rule(record: TapRecord) -> list[Record]:
    return [RuleRecord(t=record.t, rule=record.rule, c=record.c or None)]


_MAKERS: Final[dict[str, Callable[[TapRecord], list[Record]]]] = {
    "open": _open,
    "upgrade": lambda record: [UpgradeRecord(t=record.t, c=record.c)],
    "close": _close,
    "out": _out,
    "in": _in,
    "ack": _ack,
    "flag": _flag,
    "rule": _rule,
    "mark": lambda record: [MarkRecord(t=record.t, text=record.detail)],
}
