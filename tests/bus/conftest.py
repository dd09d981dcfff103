"""Towns of every kind of bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.protocol.ids import new_secret_id
from tests.bus.clusters import MemoryTown, RedisTown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bus.clusters import Town
    from tests.support.redis import RedisServer


@pytest.fixture(params=["memory", "redis"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    """Build a town of each kind; the contract holds in all of them."""
    made: Town = (
        MemoryTown()
        if request.param == "memory"
        else RedisTown(request.getfixturevalue("shared_redis"), new_secret_id())
    )
    yield made
    await made.close()


@pytest.fixture
async def redis_town(redis: RedisServer) -> AsyncIterator[RedisTown]:
    """Build a town around the test's own Redis."""
    made = RedisTown(redis, "chatws")
    yield made
    await made.close()
