"""The server under soak: a whole chat in a process of its own, which tells what it holds and how long it stood still.

``python -m benchmarks.soak.server DATA_DIR SETTINGS_AS_JSON``
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from benchmarks.soak.server_stats import CENSUS_PATH, ResourceCounts
from chatws.gc_tuning import collect_seldom
from chatws.server import ENGINE, create_app
from chatws.server.logs import configure_logging
from chatws.server.runner import GC_THRESHOLD
from chatws.settings import Settings
from chatws_loadtest.procfs import cpu_seconds, resident_bytes

_TICK_S = 0.01


class _StallMeter:
    """Notes the longest time between two turns of the event loop."""

    def __init__(self) -> None:
        self._worst_s = self._worst_cpu_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began, cpu_began = loop.time(), time.thread_time()
            await asyncio.sleep(_TICK_S)
            self._worst_cpu_s = max(self._worst_cpu_s, time.thread_time() - cpu_began)
            self._worst_s = max(self._worst_s, loop.time() - began - _TICK_S)

    def take_ms(self) -> tuple[float, float]:
        """Give the longest since the last call: by the clock, and by CPU."""
        worst = self._worst_s * 1000, self._worst_cpu_s * 1000
        self._worst_s = self._worst_cpu_s = 0.0
        return worst


def _count(app: web.Application, stalls: _StallMeter, *, thoroughly: bool) -> ResourceCounts:
    engine = app[ENGINE]
    main = engine.of("/")
    worst_stall_ms, worst_cpu_ms = stalls.take_ms()
    timers = 0
    if thoroughly:
        gc.collect()
        timers = sum(type(thing).__name__ == "TimerHandle" for thing in gc.get_objects())
    return ResourceCounts(
        sessions=engine.session_count,
        unadmitted=engine.unadmitted_count,
        sockets=len(main.sockets),
        rooms=main.room_count,
        tasks=len(asyncio.all_tasks()),
        timers=timers,
        outbox_bytes=engine.outbox_bytes()[0],
        rss_bytes=resident_bytes(os.getpid()),
        cpu_s=cpu_seconds(os.getpid()),
        worst_stall_ms=worst_stall_ms,
        worst_cpu_ms=worst_cpu_ms,
    )


async def _serve(settings: Settings) -> None:
    app = create_app(settings)
    stalls = _StallMeter()

    async def census(request: web.Request) -> web.Response:
        return web.json_response(body=msgspec.json.encode(_count(app, stalls, thoroughly="all" in request.query)))

    app.router.add_get(CENSUS_PATH, census)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, 0, backlog=4096)
    await site.start()
    collect_seldom(GC_THRESHOLD)
    print(f"listening on {runner.addresses[0][1]}", flush=True)
    await stalls.run()


def main() -> None:
    """Serve until the process is killed."""
    configure_logging("warning", "text")
    chosen = msgspec.json.decode(sys.argv[2], type=dict[str, int | str])
    settings = msgspec.convert(
        {"data_dir": sys.argv[1], "port": 0, "limits": "off", **chosen}, Settings, dec_hook=_path
    )
    uvloop.run(_serve(settings))


def _path(kind: type, value: object) -> object:
    return Path(str(value)) if kind is Path else value


if __name__ == "__main__":
    main()
