"""Fixtures of the bot tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bots.service import FakeBotService, running_service


@pytest.fixture
async def service() -> AsyncIterator[FakeBotService]:
    """Run a fake bot service."""
    async with running_service() as service:
        yield service
