"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from chatws.server.auth import passwords
from tests.support.chat import RunningChat
from tests.support.cluster import Cluster, HubCluster
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

StartChat = Callable[..., Awaitable[RunningChat]]
StartCluster = Callable[..., Awaitable[HubCluster]]
StartRealCluster = Callable[..., Awaitable[Cluster]]


@pytest.fixture
async def start_chat(tmp_path: Path) -> AsyncIterator[StartChat]:
    """Start servers with these settings; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(data_dir: Path | None = None, **settings: Any) -> RunningChat:
            return await stack.enter_async_context(RunningChat(data_dir or tmp_path / "data", **settings))

        yield start


@pytest.fixture
async def start_cluster(tmp_path: Path) -> AsyncIterator[StartCluster]:
    """Start two servers with these settings, joined by a bus; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> HubCluster:
            cluster = HubCluster(tmp_path / "data", **settings)
            stack.push_async_callback(cluster.close)
            for _ in range(2):
                await cluster.start()
            return cluster

        yield start


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    """URL of a new database."""
    return postgres.new_database()


@pytest.fixture
async def start_real_cluster(tmp_path: Path, database_url: str, redis: RedisServer) -> AsyncIterator[StartRealCluster]:
    """Start two servers with these settings on PostgreSQL and the test's own ``redis``; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Cluster:
            # Periodic positions would disturb the events that a test expects.
            shared = {"database_url": database_url, "redis_url": redis.url, "positions_ms": 3_600_000}
            cluster = Cluster(tmp_path / "data", **shared, **settings)
            stack.push_async_callback(cluster.close)
            for _ in range(2):
                await cluster.start()
            return cluster

        yield start


@pytest.fixture
async def chat(start_chat: StartChat) -> RunningChat:
    """Server with the default settings."""
    return await start_chat()


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in less than a millisecond instead of 0.2 s of processor time."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(passwords, "_DUMMY_HASH", passwords._make_dummy_hash())
