"""One server for all rows of the table: each has to release everything it used."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.hostile.harness import HostileHarness, open_harness


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostileHarness]:
    async with open_harness(tmp_path_factory.mktemp("harness") / "data") as opened:
        yield opened
