"""What a server holds at one moment, and how it is asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import msgspec

CENSUS_PATH = "/census"
HOST = "127.0.0.1"
_POLL_S = 0.02


class ResourceCounts(msgspec.Struct, frozen=True):
    """Counted by the server itself; ``timers`` only when asked for all, for that stops it a moment."""

    sessions: int
    unadmitted: int
    sockets: int
    rooms: int
    tasks: int
    timers: int
    outbox_bytes: int
    rss_bytes: int
    cpu_s: float
    worst_stall_ms: float
    """Longest turn of the event loop since the census before this one, by the clock: others on the machine count."""
    worst_cpu_ms: float
    """Longest turn by the CPU time that it took."""


class SoakServer:
    """A running server, and the connection that asks it."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.port = port
        self.http = http
        self.url = f"http://{HOST}:{port}"

    async def count(self, *, thoroughly: bool = False) -> ResourceCounts:
        """Take a census."""
        async with self.http.get(f"{self.url}{CENSUS_PATH}{'?all=1' if thoroughly else ''}") as response:
            return msgspec.json.decode(await response.read(), type=ResourceCounts)

    async def until(self, holds: Callable[[ResourceCounts], bool], timeout_s: float) -> ResourceCounts:
        """Take a census again and again until it satisfies a condition; gives the last, with the worst of all."""
        worst_ms = worst_cpu_ms = 0.0
        end = asyncio.get_running_loop().time() + timeout_s
        while True:
            census = await self.count()
            worst_ms = max(worst_ms, census.worst_stall_ms)
            worst_cpu_ms = max(worst_cpu_ms, census.worst_cpu_ms)
            if holds(census) or asyncio.get_running_loop().time() > end:
                return msgspec.structs.replace(census, worst_stall_ms=worst_ms, worst_cpu_ms=worst_cpu_ms)
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def host(**settings: int | str) -> AsyncIterator[SoakServer]:
    """Run a server of one's own with these settings; its log goes to standard error."""
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
