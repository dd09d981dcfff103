"""State of the tap's screen: the newest records, the connections, and the filter."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

import msgspec

from chatws_loadtest.tap.record_text import text_line
from chatws_loadtest.tap.tap_records import FLAGS, TapRecord

MAX_EVENTS: Final = 500
MAX_CONNECTIONS: Final = 500
MAX_PAIRED: Final = 20


class ConnectionRow(msgspec.Struct):
    """Connection in the list."""

    c: int
    user: str = ""
    transport: str = ""
    events: int = 0
    flags: int = 0
    is_open: bool = True


class TapScreenState:
    """Newest records and connections; while paused, records are counted and not shown."""

    def __init__(self) -> None:
        self.connections: OrderedDict[int, ConnectionRow] = OrderedDict()
        self.is_paused = False
        self.only_flags = False
        self.filter_text = ""
        self.flags = 0
        self.events = 0
        self.changed = True
        """Whether the shown records changed since the screen was drawn."""
        self._records: deque[TapRecord] = deque(maxlen=MAX_EVENTS)
        self._shown: list[TapRecord] = []

    @property
    def open_connections(self) -> int:
        return sum(row.is_open for row in self.connections.values())

    def apply(self, record: TapRecord) -> None:
        """Take a record."""
        self._records.append(record)
        self.events += record.type in {"out", "in", "ack"}
        self.flags += record.type == "flag"
        if record.c:
            self._count(record)
        if not self.is_paused:
            self.changed = True

    def toggle_pause(self) -> None:
        """Stop or continue the list."""
        if not self.is_paused:
            self._shown = self._select()
        self.is_paused = not self.is_paused
        self.changed = True

    def toggle_flags(self) -> None:
        """Show flags and injected faults only, or everything."""
        self.only_flags = not self.only_flags
        self._refresh()

    def set_filter(self, text: str) -> None:
        """Show records whose line contains all words."""
        self.filter_text = text.strip()
        self._refresh()

    def shown(self) -> list[TapRecord]:
        """Return the records to show, the oldest first."""
        return self._shown if self.is_paused else self._select()

    def detail(self, record: TapRecord) -> list[str]:
        """Return lines about a record: all its fields, and the records of the same message."""
        fields = msgspec.to_builtins(record)
        lines = ["  ".join(f"{name}={value}" for name, value in fields.items() if name != "content")]
        if record.content:
            lines.append(record.content)
        if record.flag:
            lines.append(f"{record.flag}: {FLAGS[record.flag]}")
        if record.message:
            same = [row for row in self._records if row.message == record.message and row is not record]
            lines += [text_line(row) for row in same[:MAX_PAIRED]]
        return lines

    def _refresh(self) -> None:
        if self.is_paused:
            self._shown = self._select()
        self.changed = True

    def _select(self) -> list[TapRecord]:
        words = self.filter_text.lower().split()
        return [
            record
            for record in self._records
            if (not self.only_flags or record.type in {"flag", "rule"})
            and all(word in text_line(record).lower() for word in words)
        ]

    def _count(self, record: TapRecord) -> None:
        row = self.connections.get(record.c)
        if row is None:
            row = self.connections[record.c] = ConnectionRow(record.c)
            if len(self.connections) > MAX_CONNECTIONS:
                ended = next((number for number, old in self.connections.items() if not old.is_open), None)
                self.connections.pop(next(iter(self.connections)) if ended is None else ended)
        row.user = record.user or row.user
        row.events += record.type in {"out", "in", "ack"}
        row.flags += record.type == "flag"
        if record.type in {"open", "upgrade"}:
            row.transport = record.transport
        elif record.type == "close":
            row.is_open = False
