"""Output formats of server statistics: table, line of text, JSON object."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from chatws_cli.top.poller import Frame
    from chatws_cli.top.stats import ServerStats

_KILO = 1024
_MIN_NAME_WIDTH = 9


class Column(NamedTuple):
    """Column of the table."""

    head: str
    width: int
    text: Callable[[ServerStats], str]


_COLUMNS = (
    Column("state", 8, lambda row: row.state),
    Column("conns", 6, lambda row: _whole(row.connections)),
    Column("msg/s", 7, lambda row: _decimal(row.messages_per_s)),
    Column("p99 ms", 7, lambda row: _decimal(row.p99_ms)),
    Column("cpu %", 5, lambda row: _rounded(row.cpu_percent)),
    Column("rooms", 6, lambda row: _whole(row.rooms)),
    Column("outbox", 6, lambda row: _bytes(row.outbox_bytes)),
    Column("bus ms", 7, lambda row: _decimal(row.bus_lag_ms)),
    Column("p50 ms", 7, lambda row: _decimal(row.p50_ms)),
    Column("gaps", 5, lambda row: _whole(row.gaps)),
    Column("memory", 6, lambda row: _bytes(row.rss_bytes)),
)
"""By importance: a narrow terminal shows the first ones only."""


def table(frame: Frame, width: int) -> RenderableType:
    """Return a table that fits ``width``, and below it the reasons of failed scrapes."""
    longest = max(len(row.server) for row in (*frame.servers, frame.total))
    name_width = min(longest, max(_MIN_NAME_WIDTH, width // 3))
    columns = fitting(width - name_width)
    drawn = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    drawn.add_column("server", width=name_width, no_wrap=True, overflow="ellipsis")
    for column in columns:
        left = column.head == "state"
        drawn.add_column(column.head, width=column.width, justify="left" if left else "right", no_wrap=True)
    for row in frame.servers:
        drawn.add_row(clean_line(row.server), *(column.text(row) for column in columns), style=_style(row))
    if len(frame.servers) > 1:
        up = sum(row.state != "away" for row in frame.servers)
        totals = (column.text(frame.total) for column in columns[1:])
        drawn.add_row("total", f"{up}/{len(frame.servers)} up", *totals, style="bold")
    reasons = [f"{row.server}: {row.why}" for row in frame.servers if row.why]
    return Group(drawn, *(Text(clean_line(reason), style="red") for reason in reasons))


def fitting(width: int) -> Sequence[Column]:
    """Return the columns that fit next to the server names, each preceded by a space."""
    chosen: list[Column] = []
    for column in _COLUMNS:
        width -= column.width + 1
        if width < 0:
            break
        chosen.append(column)
    return chosen


def line(frame: Frame) -> str:
    """Return a frame as one line, for a pipe."""
    total = frame.total
    away = f", {total.why} away" if total.why else ""
    parts = [
        f"{_whole(total.connections)} connections",
        f"{_decimal(total.messages_per_s)} messages/s",
        f"p50 {_decimal(total.p50_ms)} ms",
        f"p99 {_decimal(total.p99_ms)} ms",
        f"{_whole(total.rooms)} rooms",
        f"outbox {_bytes(total.outbox_bytes)}",
        f"bus {_decimal(total.bus_lag_ms)} ms",
        f"{_whole(total.gaps)} gaps",
        f"cpu {_rounded(total.cpu_percent)} %",
        f"memory {_bytes(total.rss_bytes)}",
    ]
    return f"{time.strftime('%H:%M:%S', time.localtime(frame.at))} {', '.join(parts)}{away}"


def record(frame: Frame) -> dict[str, object]:
    """Return a frame as a JSON object."""
    return {"time": frame.at, "servers": frame.servers, "total": frame.total}


def _style(row: ServerStats) -> str:
    return {"ok": "", "draining": "yellow", "away": "red"}[row.state]


def _whole(number: int | None) -> str:
    return "-" if number is None else str(number)


def _decimal(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"


def _rounded(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


def _bytes(number: int | None) -> str:
    if number is None:
        return "-"
    size = float(number)
    for unit in ("B", "K", "M"):
        if size < _KILO:
            return f"{size:.0f}{unit}"
        size /= _KILO
    return f"{size:.1f}G"
