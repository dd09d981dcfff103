"""From a database URL to a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chatws.store import sqlite, writer
from chatws.store.sql_store import Database, SqlStore
from chatws.store.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.protocol.entities import ConversationStatus
    from chatws.store.interface import Store


def unix_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def make_store(
    url: str,
    *,
    server: bool,
    clock_ms: Callable[[], int] = unix_ms,
    reopen_status: ConversationStatus = "queued",
    busy_timeout_ms: int = sqlite.BUSY_TIMEOUT_MS,
    max_waiting: int = writer.MAX_WAITING,
) -> Store:
    """Make a store for ``sqlite:///PATH``, ``sqlite://`` (in memory) or ``postgresql://…``; it is opened with ``open``.

    Args:
        url: The database.
        server: A server's store: it migrates the database; SQLite's is also alone on its file, and checks it.
        clock_ms: The time of day in Unix milliseconds.
        reopen_status: What a resolved conversation becomes when its customer writes.
        busy_timeout_ms: How long a write waits for another process's lock; PostgreSQL's whole answer.
        max_waiting: Most writes that wait; further ones are refused at once.

    Raises:
        BadUrl: there is no store for this URL.
    """
    database = make_database(
        url,
        server=server,
        clock_ms=clock_ms,
        reopen_status=reopen_status,
        busy_timeout_ms=busy_timeout_ms,
        max_waiting=max_waiting,
    )
    return SqlStore(database, clock_ms)


def make_database(
    url: str,
    *,
    server: bool,
    clock_ms: Callable[[], int] = unix_ms,
    reopen_status: ConversationStatus = "queued",
    busy_timeout_ms: int = sqlite.BUSY_TIMEOUT_MS,
    max_waiting: int = writer.MAX_WAITING,
) -> Database:
    """Make what a store runs its queries on; arguments and errors as in ``make_store``."""
    if sqlite.is_sqlite(url):
        return SqliteDatabase(
            sqlite.file_of(url),
            server=server,
            clock_ms=clock_ms,
            reopen_status=reopen_status,
            busy_timeout_ms=busy_timeout_ms,
            max_waiting=max_waiting,
        )
    # Imported here: the driver costs start-up time that servers on SQLite need not pay.
    from chatws.store.postgres_database import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(
        url,
        server=server,
        clock_ms=clock_ms,
        reopen_status=reopen_status,
        timeout_s=busy_timeout_ms / 1_000,
        max_waiting=max_waiting,
    )
