"""One server for all rows of the table: each has to leave it as it found it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hostile.harness import Arena, open_arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    async with open_arena(tmp_path_factory.mktemp("arena") / "data") as made:
        yield made
