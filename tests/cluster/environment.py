"""A whole installation: three servers that share PostgreSQL and Redis, nginx in front, all real, all to be broken."""

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


class Site:
    """Its methods block; a test whose event loop has to go on calls them with ``asyncio.to_thread``."""

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
        assert self._nginx is not None, "the site has not been started"
        return self._nginx

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.nginx.url

    def __enter__(self) -> Self:
        """Start everything, the servers at once: they find an empty database and no secret."""
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
        """How many each server has."""
        return [_connections(server.url) for server in self.servers]

    async def stored(self) -> dict[tuple[str, int], str]:
        """Read every message straight from the database: conversation and ``seq`` → content."""
        database = await asyncpg.connect(self.postgres.url())
        try:
            rows = await database.fetch("SELECT conversation_id, seq, content FROM messages")
        finally:
            await database.close()
        found = {(row["conversation_id"], row["seq"]): row["content"] for row in rows}
        assert len(found) == len(rows), "two messages of one conversation have the same seq"
        return found


def _connections(url: str) -> int:
    with urllib.request.urlopen(f"{url}/health", timeout=10) as response:  # noqa: S310 - our own
        count: int = json.load(response)["websocket"]["connections"]
    return count
