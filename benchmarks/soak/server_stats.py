"""Resource counts of a server under soak, and the client that reads them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import msgspec

STATS_PATH: Final = "/soak-stats"
HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.02


class ResourceCounts(msgspec.Struct, frozen=True):
    """Counts of the server's objects and resources at one moment."""

    sessions: int
    unadmitted: int
    sockets: int
    rooms: int
    tasks: int
    timers: int
    """Zero unless all counts were requested, because counting timers blocks the server for a moment."""
    buffered_bytes: int
    rss_bytes: int
    cpu_s: float
    longest_delay_ms: float
    """Longest delay of the event loop since the previous counts; other processes of the machine contribute to it."""
    longest_cpu_ms: float
    """Longest iteration of the event loop since then, by its CPU time."""


class SoakServer:
    """A running server and the HTTP connection for its counts."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.port = port
        self.http = http
        self.url = f"http://{HOST}:{port}"

    async def count(self, *, include_timers: bool = False) -> ResourceCounts:
        """Return the counts; ``include_timers`` also collects garbage first."""
        async with self.http.get(f"{self.url}{STATS_PATH}{'?all=1' if include_timers else ''}") as response:
            return msgspec.json.decode(await response.read(), type=ResourceCounts)

    async def wait_until(self, condition: Callable[[ResourceCounts], bool], timeout_s: float) -> ResourceCounts:
        """Poll the counts until they satisfy the condition or the time is up.

        The result has the last counts, and the longest delays of all polls.
        """
        longest_delay_ms = longest_cpu_ms = 0.0
        end = asyncio.get_running_loop().time() + timeout_s
        while True:
            counts = await self.count()
            longest_delay_ms = max(longest_delay_ms, counts.longest_delay_ms)
            longest_cpu_ms = max(longest_cpu_ms, counts.longest_cpu_ms)
            if condition(counts) or asyncio.get_running_loop().time() > end:
                return msgspec.structs.replace(counts, longest_delay_ms=longest_delay_ms, longest_cpu_ms=longest_cpu_ms)
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def started_server(**settings: int | str) -> AsyncIterator[SoakServer]:
    """Run a server with these settings within the context; its log goes to standard error."""
    with TemporaryDirectory(prefix="chatws-soak-") as folder:
        command = [sys.executable, "-m", "benchmarks.soak.server", str(Path(folder) / "data"), json.dumps(settings)]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert child.stdout is not None
            port = int((await child.stdout.readline()).split()[-1])
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
                yield SoakServer(port, http)
        finally:
            child.kill()
            await child.wait()
