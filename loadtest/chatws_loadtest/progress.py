"""Progress display of a scenario run: a live table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chatws_loadtest.progress_lines import show_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from chatws_loadtest.timeline import Timeline


@asynccontextmanager
async def show_progress(timeline: Timeline, *, quiet: bool) -> AsyncIterator[None]:
    """Show the progress on standard error until the block ends."""
    if quiet:
        yield
        return
    task = asyncio.create_task(_display(timeline))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _display(timeline: Timeline) -> Coroutine[object, object, None]:
    if not sys.stderr.isatty():
        return show_lines(timeline)
    # Imported here: rich costs 60 ms of start-up time, and most runs have no terminal.
    from chatws_loadtest.progress_table import show_table  # noqa: PLC0415

    return show_table(timeline)
