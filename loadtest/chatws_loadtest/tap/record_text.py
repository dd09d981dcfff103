"""Records as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatws_loadtest.tap.tap_records import TapRecord

SIGNS: Final = {
    "open": "+",
    "upgrade": "^",
    "close": "-",
    "out": ">",
    "in": "<",
    "ack": "=",
    "client_ack": "=",
    "http": "h",
    "flag": "!",
    "rule": "%",
    "mark": "#",
}
"""First character behind connection and time."""


def text_line(record: TapRecord) -> str:
    """Return one line: time, connection, sign, and what happened."""
    connection = f"#{record.c}" if record.c else ""
    parts = [f"{record.t:9.3f}", f"{connection:>5}", SIGNS[record.type], describe(record)]
    return " ".join(parts).rstrip()


def describe(record: TapRecord) -> str:
    """Return what happened, with pairing and latency."""
    latency = "" if record.ms is None else f"{record.ms:.1f} ms"
    return _join(record.user, _DESCRIPTIONS.get(record.type, _event)(record), latency, record.content)


def _close(record: TapRecord) -> str:
    return _join(f"closed by {record.by}", str(record.code or ""), record.reason)


def _http(record: TapRecord) -> str:
    return _join(record.event, str(record.code), record.error)


def _flag(record: TapRecord) -> str:
    detail = f"({record.detail})" if record.detail else ""
    return _join(record.flag.replace("_", " ").upper(), record.event, _place(record), detail)


def _ack(record: TapRecord) -> str:
    by = " by the client" if record.type == "client_ack" else ""
    outcome = "" if record.ok is None else "ok" if record.ok else _join("refused", record.error)
    return _join(f"ack of {record.event or 'unknown event'}{by}", outcome, _place(record))


def _event(record: TapRecord) -> str:
    return _join(record.event, _place(record), record.error)


def _place(record: TapRecord) -> str:
    return _join(record.room, record.message, "" if record.seq is None else f"seq {record.seq}")


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)


_DESCRIPTIONS: Final[dict[str, Callable[[TapRecord], str]]] = {
    "open": lambda record: f"connected, {record.transport}",
    "upgrade": lambda record: f"upgraded to {record.transport}",
    "close": _close,
    "http": _http,
    "flag": _flag,
    "rule": lambda record: f"injected: {record.rule} ({record.event})",
    "mark": lambda record: record.detail,
    "ack": _ack,
    "client_ack": _ack,
}
"""Descriptions by type; the others are events."""
