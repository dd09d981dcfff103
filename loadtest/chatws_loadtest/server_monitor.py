"""Monitor of the server's CPU time and memory, for servers on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chatws_loadtest import procfs
from chatws_loadtest.options import find_port, is_local
from chatws_loadtest.resource_usage import ProcessUsage, ServerUsage
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.stats_collector import StatsCollector

SAMPLE_INTERVAL_S: Final = 1.0

now_s = time.perf_counter


class ServerMonitor:
    """Samples the server process once per second, across restarts, and adds each sample to the statistics."""

    def __init__(self, url: str, server: ServerUnderTest | None, stats: StatsCollector) -> None:
        self.usage: ServerUsage | None = None
        """None until the process is found; a remote server has none."""
        self._url = url
        self._server = server
        self._stats = stats

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample until the block ends."""
        task = asyncio.create_task(self._sample_repeatedly())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _sample_repeatedly(self) -> None:
        pid = await self._find_pid()
        if pid is None:
            return
        usage = self.usage = ServerUsage()
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            at_s = now_s()
            try:
                sample = ProcessUsage.of(pid if self._server is None else self._server.pid, at_s)
            except OSError:
                # The process was killed since the last sample.
                pid = await self._find_pid() or pid
                continue
            cores = usage.add(sample, is_measured=self._stats.is_measured(at_s))
            if cores is not None:
                self._stats.add_server_sample(at_s, cores, sample.rss_bytes)

    async def _find_pid(self) -> int | None:
        if self._server is not None:
            return self._server.pid
        if not is_local(self._url):
            return None
        return await asyncio.to_thread(procfs.find_listener, find_port(self._url))
