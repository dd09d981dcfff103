"""Work on a database as a whole: upgrade, backup, restore. Synchronous; meant for commands."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update

from chatws.protocol.ids import new_secret_id
from chatws.store import migrations, sqlite
from chatws.store.errors import AlreadyExists, BadUrl, Damaged, SchemaMismatch, Unavailable
from chatws.store.lock import ServerLock
from chatws.store.schema import EPOCH, REVISION, meta

if TYPE_CHECKING:
    from collections.abc import Iterator


def upgrade(url: str) -> str:
    """Make the database if needed, run its missing migrations, and return the revision it has now.

    Raises:
        AlreadyRunning: a server has it open.
        StoreUnusable: it is damaged, another program's, or newer than this one.
    """
    if not sqlite.is_sqlite(url):
        # Imported here: the driver costs start-up time that commands on SQLite need not pay.
        from chatws.store import postgres_database  # noqa: PLC0415

        asyncio.run(postgres_database.upgrade(url))
        return REVISION
    path = file_of(url)
    sqlite.make_private(path)
    with held(path), sqlite.opening(path), transaction(path) as connection:
        migrations.upgrade(connection)
    return REVISION


def renew_epoch(url: str) -> str:
    """Give the database a new epoch after something else than ``restore`` brought it back, and return that.

    Clients load everything anew; without it, sequence numbers of before and after would be taken for each other. No
    server may have it open; for SQLite that is seen to.

    Raises:
        AlreadyRunning: a server has it open.
        Damaged: there is no chatws database.
    """
    epoch = new_secret_id()
    if sqlite.is_sqlite(url):
        path = file_of(url)
        verify(path)
        with held(path), sqlite.opening(path), transaction(path) as connection:
            set_epoch(connection, epoch)
    else:
        from chatws.store import postgres  # noqa: PLC0415  as above

        asyncio.run(postgres.once(url, lambda connection: set_epoch(connection, epoch)))
    return epoch


def set_epoch(connection: Connection, epoch: str) -> None:
    """Replace the database's epoch."""
    connection.execute(update(meta).where(meta.c.name == EPOCH), {"value": epoch})


def backup(url: str, target: Path) -> None:
    """Copy the database into one file, while a server goes on writing: a snapshot of one moment.

    Raises:
        AlreadyExists: the target is there already.
        Damaged: there is no chatws database at the URL.
        Unavailable: it can not be read, or the target not be written.
    """
    path = file_of(url)
    if target.exists():
        raise AlreadyExists("file")
    verify(path)
    with _errors(target), _scratch_beside(target) as scratch:
        _copy(path, scratch)
        _put(scratch, target)


def restore(url: str, source: Path) -> str:
    """Replace the database's content by a backup, give it a new epoch, and return that.

    All or nothing: a crash leaves the old content or the new. A database too damaged to take the new content is set
    aside under a new name. A backup of an older chatws is upgraded.

    Raises:
        AlreadyRunning: a server has the database open.
        Damaged: the source is corrupt or is no chatws database.
        SchemaMismatch: the source was made by a newer chatws.
        Unavailable: files can not be read or written.
    """
    path = file_of(url)
    verify(source)
    epoch = new_secret_id()
    sqlite.make_private(path)
    with held(path), _errors(path), _scratch_beside(path) as scratch:
        _copy(source, scratch)
        with sqlite.opening(scratch), transaction(scratch) as connection:
            migrations.upgrade(connection)
            set_epoch(connection, epoch)
        try:
            _copy(scratch, path)
        except sqlite3.DatabaseError as error:
            if sqlite.outage_reason(error) and not isinstance(error, sqlite3.OperationalError):
                _replace_damaged(path, scratch)
            else:
                raise
    return epoch


def file_of(url: str) -> Path:
    """Return the file of an SQLite database.

    Raises:
        BadUrl: it has none.
    """
    if not sqlite.is_sqlite(url):
        raise BadUrl(
            "PostgreSQL has programs of its own for this: use pg_dump and pg_restore, then 'chatws db new-epoch'"
        )
    path = sqlite.file_of(url)
    if path is None:
        raise BadUrl("a database in memory has no file; use sqlite:///PATH")
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep servers off the file.

    Raises:
        AlreadyRunning: one has it open.
    """
    lock = ServerLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def transaction(path: Path) -> Iterator[Connection]:
    """Run one transaction on the file."""
    engine = sqlite.make_engine(path)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(str(path), str(error)) from error
    except OSError as error:
        raise Unavailable(f"{error.filename or path}: {error.strerror}") from error


def verify(path: Path) -> None:
    """See that a file is a whole chatws database, of this revision or an older one.

    Raises:
        Damaged: it is not.
        SchemaMismatch: a newer chatws made it.
    """
    if not path.is_file():
        raise Damaged(str(path), "there is no such file")
    with _errors(path), closing(_read_only(path)) as connection:
        names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {meta.name, "alembic_version"} <= names:
            raise Damaged(str(path), "it is not a chatws database")
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise Damaged(str(path), verdict)
        found = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        if found > REVISION:
            raise SchemaMismatch(found, REVISION)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _copy(source: Path, target: Path) -> None:
    """Copy in one transaction of the target, from one snapshot of the source."""
    with closing(_read_only(source)) as read, closing(sqlite3.connect(target)) as written:
        written.execute("PRAGMA synchronous=FULL")
        read.backup(written)


@contextmanager
def _scratch_beside(path: Path) -> Iterator[Path]:
    """Give a private, empty file in the same directory, so that renaming it is atomic; it is removed in the end."""
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield scratch
    finally:
        for leftover in (scratch, *_log_files(scratch)):
            leftover.unlink(missing_ok=True)


def _put(scratch: Path, target: Path) -> None:
    """Make the scratch file a database of one file, on disk, under its final name."""
    with closing(sqlite3.connect(scratch)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    scratch.rename(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _replace_damaged(path: Path, scratch: Path) -> None:
    # The log files move first: left beside a new database, SQLite would replay them into it.
    suffix = f".damaged-{secrets.token_hex(4)}"
    for old in (*_log_files(path), path):
        with suppress(FileNotFoundError):
            old.rename(old.with_name(old.name + suffix))
    _put(scratch, path)


def _log_files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
