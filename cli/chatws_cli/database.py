"""Access to the configured database from commands, with store errors as command errors."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from chatws.settings import mask_password
from chatws.store import AlreadyRunning, Store, StoreError, sqlite
from chatws.store.factory import make_database, make_store
from chatws_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from chatws.settings import Settings
    from chatws.store.sql_store import Database

T = TypeVar("T")

_LOCK_TIMEOUT_MS = 60_000
"""Lock timeout of maintenance work on many rows; no client waits for it."""


def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, may_create: bool = False) -> T:
    """Run ``work`` on the store of the settings; a server may have the database open.

    Raises:
        CommandError: there is no database and it may not be created, or it or the work failed; exit code 1.
    """
    with store_errors(settings):
        if not may_create:
            _require_file(settings)
        return asyncio.run(_run(settings, work))


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run long ``work`` directly on the database of the settings; servers may have it open.

    Raises:
        CommandError: there is no database, or it or the work failed; exit code 1.
    """
    with store_errors(settings):
        _require_file(settings)
        return asyncio.run(_run_on_database(settings, work))


@contextmanager
def store_errors(settings: Settings) -> Iterator[None]:
    """Translate errors of the store into errors of a command."""
    try:
        yield
    except AlreadyRunning as problem:
        raise CommandError(str(problem)) from problem
    except StoreError as problem:
        where = mask_password(settings.database)
        raise CommandError(str(problem), advice=f"the database is {where}") from problem


def _require_file(settings: Settings) -> None:
    """Check that the file of an SQLite database exists: to open it would create one."""
    file = sqlite.file_of(settings.database) if sqlite.is_sqlite(settings.database) else None
    if file is not None and not file.exists():
        raise CommandError(f"there is no database {file}", advice="check --data-dir and --database-url")


async def _run(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    store = make_store(settings.database, server=False)
    await store.open()
    try:
        return await work(store)
    finally:
        await store.close()


async def _run_on_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    database = make_database(settings.database, server=False, busy_timeout_ms=_LOCK_TIMEOUT_MS)
    await database.open()
    try:
        return await work(database)
    finally:
        await database.close()
