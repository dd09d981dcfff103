"""Towns of every kind of bus, and a Redis for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.protocol.ids import new_secret_id
from tests.bus.towns import MemoryTown, RedisTown
from tests.support.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.bus.towns import Town


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the tests that leave it as it is."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, stopped and emptied."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


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
