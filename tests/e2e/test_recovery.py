"""Connection state recovery of Socket.IO with official clients that know only the guide."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conftest import StartServer
from tests.support.node import NodeRunner
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer


async def test_guide_client_loses_nothing_over_a_reconnect_also_to_another_server_and_after_kill_nine(
    node: NodeRunner, start_server: StartServer, postgres: PostgresServer, shared_redis: RedisServer
) -> None:
    database = await asyncio.to_thread(postgres.new_database)
    shared = ["--database-url", database, "--redis-url", shared_redis.url, "--set", "redis_prefix=recovery"]
    server = await asyncio.to_thread(start_server, *shared)
    other = await asyncio.to_thread(lambda: start_server(*shared, data_dir=server.data_dir))
    session = server.new_session()
    other_conversation = server.new_session()["conversationId"]
    clients = asyncio.create_task(
        node.run(
            "recovery.mjs",
            server.url,
            other.url,
            str(other.pid),
            session["sessionId"],
            server.sign_token("agent-1"),
            session["conversationId"],
            other_conversation,
        )
    )
    await asyncio.to_thread(other.wait_end)
    await asyncio.to_thread(other.start)
    rows = await clients
    assert [row["step"] for row in rows] == ["same server", "another server", "after kill -9"]
    for row in rows:
        assert row["recovered"] == [True, True], row
        sent: Any = row["sent"]
        assert row["received"] == [{**sent, other_conversation: []}, sent], row
