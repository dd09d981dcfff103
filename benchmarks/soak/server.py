"""Server under soak: chatws in its own process, with an HTTP route for its resource counts.

``python -m benchmarks.soak.server DATA_DIR SETTINGS_AS_JSON``
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from benchmarks.soak.server_stats import STATS_PATH, ResourceCounts
from chatws.server import ENGINE, create_app
from chatws.server.app import LISTENER
from chatws.server.logs import configure_logging
from chatws.server.runner import BACKLOG, fit_to_file_limit, make_site, tune_process
from chatws.settings import Settings
from chatws_loadtest.procfs import cpu_seconds, resident_bytes

_TICK_S = 0.01


class _LoopDelayMeter:
    """Measures the longest delay of the event loop, and the longest CPU time of one iteration."""

    def __init__(self) -> None:
        self._longest_s = self._longest_cpu_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began, cpu_began = loop.time(), time.thread_time()
            await asyncio.sleep(_TICK_S)
            self._longest_cpu_s = max(self._longest_cpu_s, time.thread_time() - cpu_began)
            self._longest_s = max(self._longest_s, loop.time() - began - _TICK_S)

    def take_ms(self) -> tuple[float, float]:
        """Return the longest delay and CPU time since the last call, in milliseconds."""
        longest = self._longest_s * 1000, self._longest_cpu_s * 1000
        self._longest_s = self._longest_cpu_s = 0.0
        return longest


def _count(app: web.Application, delays: _LoopDelayMeter, *, collect: bool, include_timers: bool) -> ResourceCounts:
    engine = app[ENGINE]
    main = engine.of("/")
    longest_delay_ms, longest_cpu_ms = delays.take_ms()
    if collect:
        gc.collect()
    timers = 0
    if include_timers:
        timers = sum(type(found).__name__ == "TimerHandle" for found in gc.get_objects())
    return ResourceCounts(
        sessions=engine.session_count,
        unadmitted=engine.unadmitted_count,
        sockets=len(main.sockets),
        rooms=main.room_count,
        tasks=len(asyncio.all_tasks()),
        timers=timers,
        http_connections=app[LISTENER].open,
        buffered_bytes=engine.outbox_bytes()[0],
        memory_blocks=sys.getallocatedblocks(),
        rss_bytes=resident_bytes(os.getpid()),
        cpu_s=cpu_seconds(os.getpid()),
        longest_delay_ms=longest_delay_ms,
        longest_cpu_ms=longest_cpu_ms,
    )


async def _serve(settings: Settings) -> None:
    app = create_app(settings)
    delays = _LoopDelayMeter()

    async def count(request: web.Request) -> web.Response:
        collect, include_timers = (request.query[name] == "1" for name in ("collect", "timers"))
        counts = _count(app, delays, collect=collect, include_timers=include_timers)
        return web.json_response(body=msgspec.json.encode(counts))

    app.router.add_get(STATS_PATH, count)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server((settings.host, 0), backlog=BACKLOG)
    await make_site(runner, listener, settings).start()
    tune_process()
    print(f"listening on {listener.getsockname()[1]}", flush=True)
    await delays.run()


def main() -> None:
    """Serve until the process is killed."""
    configure_logging("warning", "text")
    chosen = msgspec.json.decode(sys.argv[2], type=dict[str, int | str])
    settings = msgspec.convert(
        {"data_dir": sys.argv[1], "port": 0, "limits": "off", **chosen}, Settings, dec_hook=_path
    )
    uvloop.run(_serve(fit_to_file_limit(settings)))


def _path(kind: type, value: object) -> object:
    return Path(str(value)) if kind is Path else value


if __name__ == "__main__":
    main()
