"""Stores of every backend, with a manual clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from chatws.store.factory import make_store
from chatws.store.postgres_database import upgrade
from chatws.store.schema import meta, metadata
from tests.store.support import LockingClock, StoreClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from chatws.store import Store
    from tests.support.postgres import PostgresServer

DELETE_ALL = ";".join(str(delete(table)) for table in reversed(metadata.sorted_tables) if table is not meta)
"""Takes half of the processor time of ``TRUNCATE``, which creates new files."""


@pytest.fixture(scope="session")
def emptied_databases() -> list[str]:
    """URLs of PostgreSQL databases whose tables exist and are empty."""
    return []


@pytest.fixture
def emptied_url(postgres: PostgresServer, emptied_databases: list[str]) -> Iterator[str]:
    """Return a PostgreSQL database without rows, of an earlier test or new.

    Creating the tables takes 0.1 s of processor time.
    """
    if not emptied_databases:
        emptied_databases.append(postgres.new_database())
        asyncio.run(upgrade(emptied_databases[0]))
    database = emptied_databases.pop()
    yield database
    asyncio.run(postgres.execute(DELETE_ALL, database))
    emptied_databases.append(database)


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "postgres"])
def url(request: pytest.FixtureRequest, path: Path) -> str:
    """Return an empty database of each backend; the contract holds for all of them."""
    if request.param == "postgres":
        database: str = request.getfixturevalue("emptied_url")
        return database
    return {"sqlite-file": f"sqlite:///{path}", "sqlite-memory": "sqlite://"}[request.param]


@pytest.fixture(params=["sqlite-file", "postgres"])
def lasting_url(request: pytest.FixtureRequest, path: Path) -> str:
    """Return an empty database of each backend that a command can open while a server runs."""
    if request.param == "postgres":
        database: str = request.getfixturevalue("emptied_url")
        return database
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
