"""Clusters of each kind of bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.protocol.ids import new_secret_id
from tests.bus.clusters import MemoryCluster, RedisCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bus.clusters import BusCluster
    from tests.support.redis import RedisServer


@pytest.fixture(params=["memory", "redis"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[BusCluster]:
    """Create a cluster of each kind; the contract holds for all of them."""
    created: BusCluster = (
        MemoryCluster()
        if request.param == "memory"
        else RedisCluster(request.getfixturevalue("shared_redis"), new_secret_id())
    )
    yield created
    await created.close()


@pytest.fixture
async def redis_cluster(redis: RedisServer) -> AsyncIterator[RedisCluster]:
    """Create a cluster with the test's own Redis."""
    created = RedisCluster(redis, "chatws")
    yield created
    await created.close()
