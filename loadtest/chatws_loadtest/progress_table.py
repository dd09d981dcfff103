"""Progress of a scenario run as a live table on a terminal."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chatws_loadtest.progress_lines import facts
from chatws_loadtest.timeline import CONNECTING, Timeline

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN: Final = ("connect", "message", "ack", "typing", "reconnect")
COLUMNS: Final = (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
NARROW: Final = 50
"""A terminal of fewer columns shows p50 and p95 only."""

REFRESH_S: Final = 0.5


async def show_table(timeline: Timeline) -> None:
    """Draw the table on standard error until cancelled, and then remove it."""
    console, started_s = Console(stderr=True), time.monotonic()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_view(timeline, time.monotonic() - started_s, console.width), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _view(timeline: Timeline, elapsed_s: float, width: int) -> Group:
    title = f"{timeline.scenario}: {timeline.phase} ({elapsed_s:.0f} s)"
    line = ", ".join(facts(timeline))
    return Group(Text(title, style="italic"), _progress_bar(timeline), _table(timeline, width), line)


def _progress_bar(timeline: Timeline) -> RenderableType:
    """Return the progress of the current phase: users while they connect, time if its duration is known."""
    if timeline.phase == CONNECTING:
        total, done = float(timeline.users), float(timeline.stats.connections)
        label = f"of {timeline.users} users"
    elif timeline.hold_progress_s is not None:
        total, left_s = timeline.hold_progress_s
        done, label = total - left_s, f"{left_s:.0f} s to go"
    else:
        return ""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=total, completed=done, width=30), label)
    return grid


def _table(timeline: Timeline, width: int) -> Table:
    columns = COLUMNS[:2] if width < NARROW else COLUMNS
    table = Table(box=None)
    for column in ("ms", *(name for name, _ in columns), "samples"):
        table.add_column(column, justify="left" if column == "ms" else "right")
    for name in SHOWN:
        histogram = timeline.stats.latency(name)
        if histogram.count:
            values = (histogram.percentile(percent) / 1000 for _, percent in columns)
            table.add_row(name, *(f"{value:.1f}" for value in values), str(histogram.count))
    return table
