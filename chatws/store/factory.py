"""Factory of stores from database URLs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from chatws.protocol.ids import now_unix_ms
from chatws.store import sqlite, writer
from chatws.store.sql_store import Database, SqlStore
from chatws.store.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.protocol.entities import ConversationStatus
    from chatws.protocol.webhooks import WebhookKind
    from chatws.store.interface import Store


def make_store(
    url: str,
    *,
    server: bool,
    clock_ms: Callable[[], int] = now_unix_ms,
    reopen_status: ConversationStatus = "queued",
    busy_timeout_ms: int = sqlite.BUSY_TIMEOUT_MS,
    max_waiting: int = writer.MAX_WAITING,
    webhook_kinds: frozenset[WebhookKind] = frozenset(),
) -> Store:
    """Create a store for ``sqlite:///PATH``, ``sqlite://`` (in memory) or ``postgresql://…``; the caller opens it.

    Args:
        url: Database URL.
        server: Whether a server owns the store. It then migrates the database; on SQLite it also takes an exclusive
            lock on the file and checks it for corruption.
        clock_ms: Current time in Unix milliseconds.
        reopen_status: Status of a resolved conversation after its customer writes again.
        busy_timeout_ms: Time for which a write waits for another process's lock; on PostgreSQL the time limit of a
            whole transaction.
        max_waiting: Maximum number of waiting writes; further ones are rejected at once.
        webhook_kinds: Kinds of events that are stored for the webhook.

    Raises:
        BadUrl: no backend supports this URL.
    """
    database = make_database(
        url,
        server=server,
        clock_ms=clock_ms,
        reopen_status=reopen_status,
        busy_timeout_ms=busy_timeout_ms,
        max_waiting=max_waiting,
        webhook_kinds=webhook_kinds,
    )
    return SqlStore(database, clock_ms, webhook_kinds)


def postgres_address(url: str) -> str | None:
    """Return host and port of a PostgreSQL URL, without credentials; None for SQLite."""
    if sqlite.is_sqlite(url):
        return None
    parsed = make_url(url)
    # What the URL leaves out, the driver takes from the environment, as libpq does.
    host = parsed.host or parsed.query.get("host") or os.environ.get("PGHOST", "localhost")
    port = parsed.port or parsed.query.get("port") or os.environ.get("PGPORT", "5432")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def make_database(
    url: str,
    *,
    server: bool,
    clock_ms: Callable[[], int] = now_unix_ms,
    reopen_status: ConversationStatus = "queued",
    busy_timeout_ms: int = sqlite.BUSY_TIMEOUT_MS,
    max_waiting: int = writer.MAX_WAITING,
    webhook_kinds: frozenset[WebhookKind] = frozenset(),
) -> Database:
    """Create the database behind a store; arguments and errors as in ``make_store``."""
    if sqlite.is_sqlite(url):
        return SqliteDatabase(
            sqlite.file_of(url),
            server=server,
            clock_ms=clock_ms,
            reopen_status=reopen_status,
            busy_timeout_ms=busy_timeout_ms,
            max_waiting=max_waiting,
            webhook_kinds=webhook_kinds,
        )
    # Imported here: the driver costs start-up time that a server on SQLite does not need to pay.
    from chatws.store.postgres_database import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(
        url,
        server=server,
        clock_ms=clock_ms,
        reopen_status=reopen_status,
        timeout_s=busy_timeout_ms / 1_000,
        max_waiting=max_waiting,
        webhook_kinds=webhook_kinds,
    )
