"""A store of every backend, on a clock that moves when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.store.factory import make_store
from tests.store.support import Clock, PostgresClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatws.store import Store
    from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgres"])
def url(request: pytest.FixtureRequest, path: Path) -> str:
    """Give a fresh database of each backend; the contract holds for all of them."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.new_database()
    return {"sqlite-file": f"sqlite:///{path}", "sqlite-memory": "sqlite://"}[request.param]


@pytest.fixture(params=["sqlite-file", "postgres"])
def lasting_url(request: pytest.FixtureRequest, path: Path) -> str:
    """Give a fresh database of each backend that a command can open beside a server."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.new_database()
    return f"sqlite:///{path}"


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    """Give a clock by which a test can hold the writer of its store."""
    database = request.getfixturevalue("url") if "url" in request.fixturenames else ""
    return PostgresClock(database) if database.startswith("postgresql:") else Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's database file goes."""
    return tmp_path / "private" / "chat.db"


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    """Open a server's store of each backend."""
    made = make_store(url, server=True, clock_ms=clock)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def file_store(path: Path, clock: Clock) -> AsyncIterator[Store]:
    """Open a server's store in a file that waits for a lock only briefly."""
    made = make_store(f"sqlite:///{path}", server=True, clock_ms=clock, busy_timeout_ms=50)
    await made.open()
    yield made
    await made.close()
