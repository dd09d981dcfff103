"""Progress display of a scenario run: a live table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chatws_loadtest.timeline import CONNECTING, Timeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console, RenderableType

SHOWN: Final = ("connect", "message", "ack", "typing", "reconnect")
COLUMNS: Final = (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
NARROW: Final = 50
"""A terminal of fewer columns shows p50 and p95 only."""

REFRESH_S: Final = 0.5
LINE_S: Final = 10.0


@asynccontextmanager
async def show_progress(timeline: Timeline, console: Console, *, quiet: bool) -> AsyncIterator[None]:
    """Show the progress until the block ends."""
    if quiet:
        yield
        return
    show = _show_table if console.is_terminal else _show_lines
    task = asyncio.create_task(show(timeline, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _show_lines(timeline: Timeline, console: Console) -> None:
    phase, due_s = timeline.phase, time.monotonic() + LINE_S
    while True:
        await asyncio.sleep(REFRESH_S)
        if timeline.phase != phase or time.monotonic() >= due_s:
            phase, due_s = timeline.phase, time.monotonic() + LINE_S
            line = f"{timeline.scenario}: {', '.join(_facts(timeline))}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)


async def _show_table(timeline: Timeline, console: Console) -> None:
    started_s = time.monotonic()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_view(timeline, time.monotonic() - started_s, console.width), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _view(timeline: Timeline, elapsed_s: float, width: int) -> Group:
    title = f"{timeline.scenario}: {timeline.phase} ({elapsed_s:.0f} s)"
    facts = ", ".join(_facts(timeline))
    return Group(Text(title, style="italic"), _progress_bar(timeline), _table(timeline, width), facts)


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


def _facts(timeline: Timeline) -> Iterator[str]:
    stats = timeline.stats
    yield timeline.phase
    yield f"{stats.connections} of {timeline.users} connections"
    yield f"{stats.sent} sent, {stats.acked} acked"
    message = stats.latency("message")
    if message.count:
        yield f"message p95 {message.percentile(95) / 1000:.1f} ms"
    last = stats.last_second
    if last is not None:
        yield f"{last.sent}/s"
        yield f"generator {last.generator_cpu:.2f} cores"
        if last.server_cpu is not None and last.server_rss_bytes is not None:
            yield f"server {last.server_cpu:.2f} cores, {last.server_rss_bytes / 1e6:.0f} MB"
