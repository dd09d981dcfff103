"""What people see while a load test runs: a table that changes on a terminal, a line now and then elsewhere."""

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

from chatws_loadtest.scenario_run import CONNECTING, ScenarioRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console, RenderableType

SHOWN: Final = ("connect", "message", "ack", "typing", "reconnect")
COLUMNS: Final = (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
NARROW: Final = 50
"""Columns of a terminal in which not all of these have room; the first two are left then."""

REFRESH_S: Final = 0.5
LINE_S: Final = 10.0


@asynccontextmanager
async def watch(arena: ScenarioRun, console: Console, *, quiet: bool) -> AsyncIterator[None]:
    """Show the arena until the block ends."""
    if quiet:
        yield
        return
    show = _show_table if console.is_terminal else _show_lines
    task = asyncio.create_task(show(arena, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def describe(arena: ScenarioRun) -> str:
    """Describe the present moment in one line."""
    return f"{arena.scenario}: " + ", ".join(_facts(arena))


async def _show_lines(arena: ScenarioRun, console: Console) -> None:
    phase, due_s = arena.phase, time.monotonic() + LINE_S
    while True:
        await asyncio.sleep(REFRESH_S)
        if arena.phase != phase or time.monotonic() >= due_s:
            phase, due_s = arena.phase, time.monotonic() + LINE_S
            console.print(describe(arena), highlight=False, markup=False, soft_wrap=True)


async def _show_table(arena: ScenarioRun, console: Console) -> None:
    started_s = time.monotonic()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_view(arena, time.monotonic() - started_s, console.width), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _view(arena: ScenarioRun, elapsed_s: float, width: int) -> Group:
    title = f"{arena.scenario}: {arena.phase} ({elapsed_s:.0f} s)"
    return Group(Text(title, style="italic"), _progress(arena), _table(arena, width), ", ".join(_facts(arena)))


def _progress(arena: ScenarioRun) -> RenderableType:
    """Give how far the present phase is: users while they connect, time while it is known."""
    if arena.phase == CONNECTING:
        total, done, words = float(arena.users), float(arena.recorder.connections), f"of {arena.users} users"
    elif arena.stay_s is not None:
        total, left_s = arena.stay_s
        done, words = total - left_s, f"{left_s:.0f} s to go"
    else:
        return ""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=total, completed=done, width=30), words)
    return grid


def _table(arena: ScenarioRun, width: int) -> Table:
    columns = COLUMNS[:2] if width < NARROW else COLUMNS
    table = Table(box=None)
    for column in ("ms", *(name for name, _ in columns), "samples"):
        table.add_column(column, justify="left" if column == "ms" else "right")
    for name in SHOWN:
        histogram = arena.recorder.latency(name)
        if histogram.count:
            values = (histogram.percentile(percent) / 1000 for _, percent in columns)
            table.add_row(name, *(f"{value:.1f}" for value in values), str(histogram.count))
    return table


def _facts(arena: ScenarioRun) -> Iterator[str]:
    recorder = arena.recorder
    yield arena.phase
    yield f"{recorder.connections} of {arena.users} connections"
    yield f"{recorder.sent} sent, {recorder.acked} acked"
    message = recorder.latency("message")
    if message.count:
        yield f"message p95 {message.percentile(95) / 1000:.1f} ms"
    last = recorder.last_second
    if last is not None:
        yield f"{last.sent}/s"
        yield f"generator {last.generator_cpu:.2f} cores"
        if last.server_cpu is not None and last.server_rss_bytes is not None:
            yield f"server {last.server_cpu:.2f} cores, {last.server_rss_bytes / 1e6:.0f} MB"
