"""Stores of every backend, with a manual clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws.store.factory import make_store
from chatws.store.schema import meta, metadata
from tests.store.support import LockingClock, StoreClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from chatws.store import Store
    from tests.support.postgres import PostgresServer

TRUNCATE = f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables if table is not meta)}"


@pytest.fixture(scope="session")
def emptied_databases() -> list[str]:
    """URLs of PostgreSQL databases whose tables exist and are empty."""
    return []


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgres"])
def url(request: pytest.FixtureRequest, path: Path) -> Iterator[str]:
    """Return an empty database of each backend; the contract holds for all of them.

    A test with the fixture ``store`` gets the emptied PostgreSQL database of an earlier test: creating the tables
    would take 0.1 s of processor time.
    """
    if request.param != "postgres":
        yield {"sqlite-file": f"sqlite:///{path}", "sqlite-memory": "sqlite://"}[request.param]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    if "store" not in request.fixturenames:
        yield server.new_database()
        return
    emptied: list[str] = request.getfixturevalue("emptied_databases")
    database = emptied.pop() if emptied else server.new_database()
    yield database
    asyncio.run(server.execute(TRUNCATE, database))
    emptied.append(database)


@pytest.fixture(params=["sqlite-file", "postgres"])
def lasting_url(request: pytest.FixtureRequest, path: Path) -> str:
    """Return a new database of each backend that a command can open while a server runs."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.new_database()
    return f"sqlite:///{path}"


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> StoreClock:
    """Return a clock that can block the writer of the store."""
    database = request.getfixturevalue("url") if "url" in request.fixturenames else ""
    return LockingClock(database) if database.startswith("postgresql:") else StoreClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the database file."""
    return tmp_path / "private" / "chat.db"


@pytest.fixture
async def store(url: str, clock: StoreClock) -> AsyncIterator[Store]:
    """Open a server store of each backend."""
    created = make_store(url, server=True, clock_ms=clock)
    await created.open()
    yield created
    await created.close()


@pytest.fixture
async def file_store(path: Path, clock: StoreClock) -> AsyncIterator[Store]:
    """Open a server store in a file, with a short busy timeout."""
    created = make_store(f"sqlite:///{path}", server=True, clock_ms=clock, busy_timeout_ms=50)
    await created.open()
    yield created
    await created.close()
