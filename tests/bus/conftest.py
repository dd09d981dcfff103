"""Towns of every kind of bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bus.towns import MemoryTown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bus.towns import Town


@pytest.fixture(params=["memory"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    """Build a town of each kind; the contract holds in all of them."""
    made = {"memory": MemoryTown}[request.param]()
    yield made
    await made.close()
