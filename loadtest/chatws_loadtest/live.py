"""What people see while a load test runs: a table that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.table import Table

from chatws_loadtest.arena import Arena

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

SHOWN: Final = ("connect", "message", "ack", "typing", "reconnect")
REFRESH_S: Final = 0.5
LINE_S: Final = 10.0


@asynccontextmanager
async def watch(arena: Arena, console: Console, *, quiet: bool) -> AsyncIterator[None]:
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


def describe(arena: Arena) -> str:
    """Describe the present moment in one line."""
    return f"{arena.scenario}: " + ", ".join(_facts(arena))


async def _show_lines(arena: Arena, console: Console) -> None:
    phase, due_s = arena.phase, time.monotonic() + LINE_S
    while True:
        await asyncio.sleep(REFRESH_S)
        if arena.phase != phase or time.monotonic() >= due_s:
            phase, due_s = arena.phase, time.monotonic() + LINE_S
            console.print(describe(arena), highlight=False, markup=False, soft_wrap=True)


async def _show_table(arena: Arena, console: Console) -> None:
    started_s = time.monotonic()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_table(arena, time.monotonic() - started_s), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _table(arena: Arena, elapsed_s: float) -> Table:
    table = Table(title=f"{arena.scenario}: {arena.phase} ({elapsed_s:.0f} s)", title_justify="left", box=None)
    for column in ("", "p50 ms", "p95 ms", "p99 ms", "max ms", "samples"):
        table.add_column(column, justify="left" if not column else "right")
    for name in SHOWN:
        histogram = arena.recorder.latency(name)
        if histogram.count:
            values = (histogram.percentile(percent) / 1000 for percent in (50, 95, 99, 100))
            table.add_row(name, *(f"{value:.1f}" for value in values), str(histogram.count))
    table.caption = ", ".join(_facts(arena))
    table.caption_justify = "left"
    return table


def _facts(arena: Arena) -> Iterator[str]:
    recorder = arena.recorder
    yield arena.phase
    yield f"{recorder.connections} connections"
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
