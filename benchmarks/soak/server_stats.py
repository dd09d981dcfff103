"""Resource counts of a server under soak, and the client that reads them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import msgspec

from chatws.server.auth.keys import KeyRing, load_keys
from chatws.settings import Settings
from chatws_loadtest import server_process

STATS_PATH: Final = "/soak-stats"
HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.02
_SETTLE_S: Final = 30.0


class ResourceCounts(msgspec.Struct, frozen=True):
    """Counts of the server's objects and resources at one moment."""

    sessions: int
    unadmitted: int
    sockets: int
    rooms: int
    tasks: int
    timers: int
    """Zero unless timers were requested: counting them blocks the server for a moment, and visits every object."""
    http_connections: int
    """TCP connections that are not WebSockets, including the one that reads the counts."""
    buffered_bytes: int
    memory_blocks: int
    """Blocks of Python's allocator in use: each object takes at least one."""
    rss_bytes: int
    cpu_s: float
    longest_delay_ms: float
    """Longest delay of the event loop since the previous counts; other processes of the machine contribute to it."""
    longest_cpu_ms: float
    """Longest iteration of the event loop since then, by its CPU time."""

    @property
    def connection_objects(self) -> int:
        """Number of sessions, sockets and rooms."""
        return self.sessions + self.sockets + self.rooms


class SoakServer:
    """A running server and the HTTP connection for its counts."""

    def __init__(self, port: int, http: aiohttp.ClientSession, keys: KeyRing) -> None:
        self.port = port
        self.http = http
        self.keys = keys
        """Keys that the server's tokens are signed with."""
        self.url = f"http://{HOST}:{port}"

    async def count(self, *, collect: bool = False, include_timers: bool = False) -> ResourceCounts:
        """Return the counts; ``collect`` and ``include_timers`` collect garbage first.

        Timers are found among all objects, which CPython permits only while no other thread builds a tuple: request
        them while the server does not use its database.
        """
        query = f"?collect={int(collect or include_timers)}&timers={int(include_timers)}"
        async with self.http.get(f"{self.url}{STATS_PATH}{query}") as response:
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

    async def count_settled(self, *, include_timers: bool = True) -> ResourceCounts:
        """Count once all sessions have ended and the tasks and timers of typing, presence and closing have expired."""
        await self.wait_until(lambda counts: counts.sessions == 0, _SETTLE_S)
        previous = await self.count(collect=True, include_timers=include_timers)
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end:
            await asyncio.sleep(1.0)
            counts = await self.count(collect=True, include_timers=include_timers)
            if (counts.tasks, counts.timers) == (previous.tasks, previous.timers):
                return counts
            previous = counts
        return previous


@asynccontextmanager
async def started_server(**settings: int | str) -> AsyncIterator[SoakServer]:
    """Run a server with these settings within the context; its log goes to standard error."""
    with TemporaryDirectory(prefix="chatws-soak-") as folder:
        data_dir = Path(folder) / "data"
        command = [sys.executable, "-m", "benchmarks.soak.server", str(data_dir), json.dumps(settings)]
        child = await server_process.start_process(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert child.stdout is not None
            port = int((await child.stdout.readline()).split()[-1])
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
                yield SoakServer(port, http, load_keys(Settings(data_dir=data_dir), create=False))
        finally:
            child.kill()
            await child.wait()
