"""A server in the test's own event loop for each test that needs one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.chat import RunningChat


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[RunningChat]:
    """Run a development server."""
    async with RunningChat(tmp_path / "chat") as running:
        yield running
