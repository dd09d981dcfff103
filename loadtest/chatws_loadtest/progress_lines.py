"""Progress of a scenario run as lines of text, one every few seconds and one for each phase."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatws_loadtest.timeline import Timeline

POLL_S: Final = 0.5
LINE_S: Final = 10.0


async def show_lines(timeline: Timeline) -> None:
    """Print the lines to standard error until cancelled."""
    phase, due_s = timeline.phase, time.monotonic() + LINE_S
    while True:
        await asyncio.sleep(POLL_S)
        if timeline.phase != phase or time.monotonic() >= due_s:
            phase, due_s = timeline.phase, time.monotonic() + LINE_S
            print(f"{timeline.scenario}: {', '.join(facts(timeline))}", file=sys.stderr, flush=True)


def facts(timeline: Timeline) -> Iterator[str]:
    """Yield the phase and the measurements so far."""
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
