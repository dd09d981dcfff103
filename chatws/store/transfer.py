"""Atomic copy of a whole database between SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from chatws.store import maintenance, migrations, sqlite
from chatws.store.errors import BadUrl, SchemaMismatch, StoreUnusable, Unavailable
from chatws.store.postgres import run_once
from chatws.store.postgres_database import lock_schema
from chatws.store.queries.prepared import Prepared
from chatws.store.schema import REVISION, conversations, messages, meta, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Counts = dict[str, int]
"""Number of rows per table, in the order of copying."""

Progress = Callable[[str, int, int], None]
"""Callback with the table, the number of its rows copied so far, and its total number of rows."""

_CHUNK_ROWS = 1_000
_INSERTS = {table: Prepared(insert(table), table.columns.keys()) for table in metadata.sorted_tables}
_HEADS = select(func.coalesce(func.sum(conversations.c.head_seq), 0))
_WRONG_HEADS = (
    select(func.count())
    .select_from(conversations)
    .where(
        conversations.c.head_seq
        != select(func.coalesce(func.max(messages.c.seq), 0))
        .where(messages.c.conversation_id == conversations.c.conversation_id)
        .scalar_subquery()
    )
)


async def copy(source: str, target: str, on_progress: Progress) -> Counts:
    """Copy a whole database, epoch included, into an empty one of the other backend; return the row counts.

    One transaction: either everything is copied and verified against the source, or nothing is. No server may have
    either database open; this is checked for SQLite only.

    Raises:
        AlreadyRunning: a server has the SQLite database open.
        BadUrl: both databases have the same backend.
        StoreUnusable: the source has another schema revision, the target is not empty, or the verification failed.
        Unavailable: a database cannot be reached or rejects a row.
    """
    from_file = sqlite.is_sqlite(source)
    if from_file == sqlite.is_sqlite(target):
        raise BadUrl("one has to be SQLite and one PostgreSQL; within one backend use 'chatws db backup' or pg_dump")
    path = maintenance.file_of(source if from_file else target)

    def work(postgres: Connection) -> Counts:
        with _opened(path, is_source=from_file) as file:
            return _copy(file, postgres, on_progress) if from_file else _copy(postgres, file, on_progress)

    return await run_once(target if from_file else source, work, writes=from_file)


@contextmanager
def _opened(path: Path, *, is_source: bool) -> Iterator[Connection]:
    if is_source:
        maintenance.verify(path)
    else:
        sqlite.make_private(path)
    try:
        with maintenance.server_lock_held(path), maintenance.transaction(path) as connection:
            yield connection
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise Unavailable(f"{path}: {error.orig}") from error
        raise


def _copy(source: Connection, target: Connection, on_progress: Progress) -> Counts:
    found = migrations.revision(source)
    if found != REVISION:
        raise SchemaMismatch(found or "none", REVISION)
    if target.dialect.name == "postgresql":
        lock_schema(target)
    migrations.upgrade(target)
    if any(count for name, count in _counts(target).items() if name != meta.name):
        raise StoreUnusable("the target is not empty; use an empty database")
    target.execute(delete(meta))
    counts = _counts(source)
    for table in metadata.sorted_tables:
        for done in _copy_table(source, target, table):
            on_progress(table.name, done, counts[table.name])
    _compare(source, target, counts)
    return {name: count for name, count in counts.items() if name != meta.name}


def _copy_table(source: Connection, target: Connection, table: Table) -> Iterator[int]:
    """Copy the rows in chunks and yield the number copied so far."""
    done = 0
    rows = source.execute(select(table), execution_options={"yield_per": _CHUNK_ROWS})
    for chunk in rows.partitions():
        _INSERTS[table].run_many(target, [tuple(row) for row in chunk])
        done += len(chunk)
        yield done


def _compare(source: Connection, target: Connection, counts: Counts) -> None:
    copied = _counts(target)
    different = [name for name, count in counts.items() if copied[name] != count]
    if different:
        raise StoreUnusable(f"the row counts of {', '.join(different)} differ after the copy; nothing was stored")
    if source.execute(_HEADS).scalar_one() != target.execute(_HEADS).scalar_one():
        raise StoreUnusable("the sequence numbers differ after the copy; nothing was stored")
    wrong = target.execute(_WRONG_HEADS).scalar_one()
    if wrong:
        raise StoreUnusable(f"{wrong} conversations do not end with their last message; nothing was stored")


def _counts(connection: Connection) -> Counts:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }
