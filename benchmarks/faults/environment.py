"""Two servers behind nginx with TLS, PostgreSQL and Redis; a link with faults is between each two processes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import asyncpg

from benchmarks.faults.link import HOST, FaultyLink
from benchmarks.faults.schedule import SERVERS, Part
from chatws_cli.nginx import NginxConfig, render
from chatws_loadtest.server_process import ServerUnderTest
from tools.services.certificate import create_certificate
from tools.services.nginx import NginxProcess
from tools.services.postgres import PostgresProcess
from tools.services.programs import unused_port
from tools.services.redis import RedisProcess

_IDLE_TIMEOUT_S: Final = 91
_MAX_BODY_BYTES: Final = 131_072

_SLOW_COMMITS: Final = """
    CREATE TABLE slow_disk (longest_s double precision NOT NULL);
    INSERT INTO slow_disk VALUES (0);
    CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE wait_s double precision;
        BEGIN
            IF current_setting('slow_disk.done', true) IS DISTINCT FROM 'yes' THEN
                PERFORM set_config('slow_disk.done', 'yes', true);
                SELECT longest_s * random() INTO wait_s FROM slow_disk;
                IF wait_s > 0 THEN PERFORM pg_sleep(wait_s); END IF;
            END IF;
            RETURN NULL;
        END $$;
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow_commit();
"""
"""A trigger that runs once in the commit of each transaction with messages, as late as a slow disk would be noticed."""


class FaultEnvironment:
    """Running environment; ``database_url`` names an empty database or schema of ``postgres``.

    PostgreSQL and Redis are started and ended by the caller.
    """

    def __init__(self, folder: Path, postgres: PostgresProcess, redis: RedisProcess, database_url: str) -> None:
        self.postgres = postgres
        self.redis = redis
        self.database_url = database_url
        self.certificate = create_certificate(folder)
        self.links = {part: FaultyLink() for part in Part if "-" in part}
        self.servers: list[ServerUnderTest] = []
        self._folder = folder
        self._port = unused_port()
        self.nginx = NginxProcess(folder / "nginx", "")
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Base URL for clients."""
        return f"https://localhost:{self.links[Part.CLIENTS_TO_NGINX].port}"

    @property
    def log_path(self) -> Path:
        """Log of both servers."""
        return self._folder / "data" / "server.log"

    async def __aenter__(self) -> Self:
        """Start the servers, at the same time with an empty database, and nginx."""
        async with AsyncExitStack() as stack:
            for link in self.links.values():
                await link.open()
                stack.push_async_callback(link.close)
            for number in range(1, SERVERS + 1):
                self.links[Part(f"server {number}-PostgreSQL")].target = self.postgres.port
                self.links[Part(f"server {number}-Redis")].target = self.redis.port
            (self._folder / "data").mkdir()
            self.servers = [self._make_server(number) for number in range(1, SERVERS + 1)]
            for server in self.servers:
                stack.push_async_callback(_stop, server)
            await asyncio.gather(*(server.start() for server in self.servers))
            for number, server in enumerate(self.servers, 1):
                self.links[Part(f"nginx-server {number}")].target = server.port
            await self.execute(_SLOW_COMMITS)
            self.nginx = NginxProcess(self._folder / "nginx", self._nginx_config())
            stack.callback(self.nginx.kill)
            await asyncio.to_thread(self.nginx.start)
            self.links[Part.CLIENTS_TO_NGINX].target = self._port
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def execute(self, statement: str, *values: object) -> None:
        """Run a statement, or several without values, on a connection without faults."""
        connection: Any = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    async def set_slow_commits(self, longest_s: float) -> None:
        """Let each commit of messages take a random time longer, at most ``longest_s``."""
        await self.execute("UPDATE slow_disk SET longest_s = $1", longest_s)

    async def stored(self, conversation_ids: list[str]) -> dict[str, list[tuple[int, str]]]:
        """Return ``seq`` and content of the stored messages by conversation, in order."""
        connection: Any = await asyncpg.connect(self.database_url)
        try:
            rows = await connection.fetch(
                "SELECT conversation_id, seq, content FROM messages WHERE conversation_id = ANY($1) ORDER BY seq",
                conversation_ids,
            )
        finally:
            await connection.close()
        found: dict[str, list[tuple[int, str]]] = {one: [] for one in conversation_ids}
        for row in rows:
            found[row["conversation_id"]].append((row["seq"], row["content"]))
        return found

    def _make_server(self, number: int) -> ServerUnderTest:
        database = self.links[Part(f"server {number}-PostgreSQL")]
        redis = self.links[Part(f"server {number}-Redis")]
        parts = urlsplit(self.database_url)
        url = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{database.port}")).geturl()
        options = ["--prod", "--trusted-proxy", HOST, "--database-url", url]
        return ServerUnderTest(self._folder / "data", None, *options, "--redis-url", f"redis://{HOST}:{redis.port}")

    def _nginx_config(self) -> str:
        upstreams = [f"{HOST}:{self.links[Part(f'nginx-server {number}')].port}" for number in range(1, SERVERS + 1)]
        return render(
            NginxConfig(
                upstreams=upstreams,
                upstream_scheme="http",
                server_name="_",
                listen=f"{HOST}:{self._port} ssl",
                certificate=(self.certificate.cert, self.certificate.key),
                idle_timeout_s=_IDLE_TIMEOUT_S,
                max_body_bytes=_MAX_BODY_BYTES,
            )
        )


async def _stop(server: ServerUnderTest) -> None:
    if server.port:
        await server.stop()
