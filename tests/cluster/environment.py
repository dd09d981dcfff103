"""Test environment of three servers behind nginx with PostgreSQL and Redis, all of them real processes."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import asyncpg

from tests.support.nginx import Nginx
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SERVERS = 3


class ClusterEnvironment:
    """Running environment; its methods block, so that tests with an event loop call them in ``asyncio.to_thread``."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.postgres = PostgresServer()
        (folder / "redis").mkdir()
        self.redis = RedisServer(folder / "redis")
        shared = ["--database-url", self.postgres.url(), "--redis-url", self.redis.url]
        options = ("--prod", "--trusted-proxy", "127.0.0.1", "--set", "connections=1000", *shared, *options)
        self.servers = [ServerProcess(folder / "data", *options) for _ in range(SERVERS)]
        self._folder = folder
        self._nginx: Nginx | None = None
        self._stack = ExitStack()

    @property
    def nginx(self) -> Nginx:
        assert self._nginx is not None, "the environment has not been started"
        return self._nginx

    @property
    def url(self) -> str:
        """Base URL for clients."""
        return self.nginx.url

    def __enter__(self) -> Self:
        """Start all processes; the servers start at the same time with an empty database and without a secret."""
        self._stack.callback(self.postgres.close)
        self._stack.callback(self.redis.kill)
        with self._stack.pop_all() as stack:
            self.postgres.start()
            self.redis.start()
            for server in self.servers:
                stack.callback(server.stop)
            with ThreadPoolExecutor(SERVERS) as pool:
                list(pool.map(ServerProcess.start, self.servers))
            self._nginx = Nginx(self._folder / "nginx", [server.url for server in self.servers])
            stack.callback(self._nginx.stop)
            self._nginx.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def connections(self) -> list[int]:
        """Return the number of connections of each server."""
        return [_connections(server.url) for server in self.servers]

    async def stored(self) -> dict[tuple[str, int], str]:
        """Return the content of every message in the database by conversation and ``seq``."""
        database = await asyncpg.connect(self.postgres.url())
        try:
            rows = await database.fetch("SELECT conversation_id, seq, content FROM messages")
        finally:
            await database.close()
        found = {(row["conversation_id"], row["seq"]): row["content"] for row in rows}
        assert len(found) == len(rows), "two messages of one conversation have the same seq"
        return found


def _connections(url: str) -> int:
    with urllib.request.urlopen(f"{url}/health", timeout=30) as response:  # noqa: S310  the test's own server
        count: int = json.load(response)["websocket"]["connections"]
    return count
