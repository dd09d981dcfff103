"""Moving everything between SQLite and PostgreSQL, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from chatws.store import maintenance, migrations, sqlite
from chatws.store.errors import BadUrl, SchemaMismatch, StoreUnusable, Unavailable
from chatws.store.postgres import once
from chatws.store.postgres_database import lock_schema
from chatws.store.queries.prepared import Prepared
from chatws.store.schema import REVISION, conversations, messages, meta, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Counts = dict[str, int]
"""Rows by table, in the order they are copied."""

Progress = Callable[[str, int, int], None]
"""Is told the table, how many of its rows are copied, and how many there are."""

_ROWS_AT_ONCE = 1_000
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
    """Copy a whole database into an empty one of the other kind, epoch included, and return how many rows it had.

    One transaction: all is there and was compared with the source, or nothing is. No server may have either open; for
    SQLite that is seen to.

    Raises:
        AlreadyRunning: a server has the SQLite database open.
        BadUrl: both are of one kind.
        StoreUnusable: the source is no database of this version, the target is not empty, or they differ in the end.
        Unavailable: one of them can not be reached, or refuses a row.
    """
    from_file = sqlite.is_sqlite(source)
    if from_file == sqlite.is_sqlite(target):
        raise BadUrl("one has to be SQLite and one PostgreSQL; 'chatws db backup' and pg_dump copy within one kind")
    path = maintenance.file_of(source if from_file else target)

    def work(postgres: Connection) -> Counts:
        with _opened(path, is_source=from_file) as file:
            return _copy(file, postgres, on_progress) if from_file else _copy(postgres, file, on_progress)

    return await once(target if from_file else source, work, writes=from_file)


@contextmanager
def _opened(path: Path, *, is_source: bool) -> Iterator[Connection]:
    if is_source:
        maintenance.verify(path)
    else:
        sqlite.make_private(path)
    try:
        with maintenance.held(path), maintenance.transaction(path) as connection:
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
        raise StoreUnusable("the target is not empty; a copy needs a database of its own")
    target.execute(delete(meta))
    counts = _counts(source)
    for table in metadata.sorted_tables:
        for done in _copy_table(source, target, table):
            on_progress(table.name, done, counts[table.name])
    _compare(source, target, counts)
    return {name: count for name, count in counts.items() if name != meta.name}


def _copy_table(source: Connection, target: Connection, table: Table) -> Iterator[int]:
    """Copy the rows, and tell again and again how many they are by now."""
    done = 0
    rows = source.execute(select(table), execution_options={"yield_per": _ROWS_AT_ONCE})
    for some in rows.partitions():
        _INSERTS[table].run_many(target, [tuple(row) for row in some])
        done += len(some)
        yield done


def _compare(source: Connection, target: Connection, counts: Counts) -> None:
    copied = _counts(target)
    different = [name for name, count in counts.items() if copied[name] != count]
    if different:
        raise StoreUnusable(f"the copy has other numbers of rows in {', '.join(different)}; nothing was kept")
    if source.execute(_HEADS).scalar_one() != target.execute(_HEADS).scalar_one():
        raise StoreUnusable("the copy has other sequence numbers; nothing was kept")
    wrong = target.execute(_WRONG_HEADS).scalar_one()
    if wrong:
        raise StoreUnusable(f"{wrong} conversations do not end with their last message; nothing was kept")


def _counts(connection: Connection) -> Counts:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }
