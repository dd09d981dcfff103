"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat import RunningChat
from tests.support.cluster import HubCluster

StartChat = Callable[..., Awaitable[RunningChat]]
StartCluster = Callable[..., Awaitable[HubCluster]]


@pytest.fixture
async def start_chat(tmp_path: Path) -> AsyncIterator[StartChat]:
    """Start servers with these settings; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(data_dir: Path | None = None, **settings: Any) -> RunningChat:
            return await stack.enter_async_context(RunningChat(data_dir or tmp_path / "data", **settings))

        yield start


@pytest.fixture
async def start_cluster(tmp_path: Path) -> AsyncIterator[StartCluster]:
    """Start two servers with these settings, joined by a bus; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> HubCluster:
            cluster = HubCluster(tmp_path / "data", **settings)
            stack.push_async_callback(cluster.close)
            for _ in range(2):
                await cluster.start()
            return cluster

        yield start


@pytest.fixture
async def chat(start_chat: StartChat) -> RunningChat:
    """A server with the default settings."""
    return await start_chat()
