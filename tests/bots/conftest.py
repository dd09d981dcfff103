"""Fixtures of the bots' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bots.service import Service, running_service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A remote service."""
    async with running_service() as service:
        yield service
