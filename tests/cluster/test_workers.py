"""``chatws serve --workers``: several servers of one chat, started by one command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatws.client import AgentClient, CustomerClient
from tests.support.chat import until
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.server import ServerProcess


@pytest.fixture
def workers(postgres: PostgresServer, tmp_path: Path) -> Iterator[ServerProcess]:
    redis = RedisServer(tmp_path)
    redis.start()
    shared = ["--database-url", postgres.new_database(), "--redis-url", redis.url]
    server = ServerProcess(tmp_path / "data", "--workers", "2", *shared)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        redis.kill()


async def test_users_on_different_workers_chat_and_all_servers_stop_together(workers: ServerProcess) -> None:
    await asyncio.to_thread(workers.stdout.wait_for, "development mode", 60)
    lines = workers.stdout.lines
    first, second = (line.removeprefix("listening on ") for line in lines if line.startswith("listening on "))
    names = [url.removeprefix("http://") for url in (first, second)]
    assert f"proxy-config nginx --upstream {names[0]} --upstream {names[1]}" in workers.stdout.text
    shown: list[str] = []
    async with CustomerClient(first, "session-1") as customer:
        await customer.join_conversation("conv-1")
        async with AgentClient(second, workers.sign_token("agent-1")) as agent:
            agent.on_message_received(lambda received: shown.append(received.content))
            await agent.join_conversation("conv-1")
            await customer.send_message("conv-1", "Hello")
            await until(lambda: shown == ["Hello"])
    top = await asyncio.to_thread(workers.run_command, "top", first, second, "--count", "1")
    assert "away" not in top
    assert await asyncio.to_thread(workers.terminate) == 143
