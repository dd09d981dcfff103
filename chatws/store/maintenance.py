"""Operations on a whole database: upgrade, backup, restore. Synchronous; used by commands."""

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
    """Create the database if needed, run the missing migrations, and return the resulting revision.

    Raises:
        AlreadyRunning: a server has the database open.
        StoreUnusable: the database is damaged, belongs to another program, or is newer than this one.
    """
    if not sqlite.is_sqlite(url):
        # Imported here: the driver costs start-up time that a command on SQLite does not need to pay.
        from chatws.store import postgres_database  # noqa: PLC0415

        asyncio.run(postgres_database.upgrade(url))
        return REVISION
    path = file_of(url)
    sqlite.make_private(path)
    with server_lock_held(path), sqlite.opening(path), transaction(path) as connection:
        migrations.upgrade(connection)
    return REVISION


def renew_epoch(url: str) -> str:
    """Give the database a new epoch after a recovery without ``restore``, and return the epoch.

    A new epoch makes clients reload everything; otherwise they would mix the sequence numbers from before and after the
    recovery. No server may have the database open; this is checked for SQLite only.

    Raises:
        AlreadyRunning: a server has the database open.
        Damaged: the file is not a chatws database.
    """
    epoch = new_secret_id()
    if sqlite.is_sqlite(url):
        path = file_of(url)
        verify(path)
        with server_lock_held(path), sqlite.opening(path), transaction(path) as connection:
            set_epoch(connection, epoch)
    else:
        from chatws.store import postgres  # noqa: PLC0415  as above

        asyncio.run(postgres.run_once(url, lambda connection: set_epoch(connection, epoch)))
    return epoch


def set_epoch(connection: Connection, epoch: str) -> None:
    """Replace the epoch of the database."""
    connection.execute(update(meta).where(meta.c.name == EPOCH), {"value": epoch})


def backup(url: str, target: Path) -> None:
    """Copy a consistent snapshot of the database into one file; a server may write meanwhile.

    Raises:
        AlreadyExists: the target exists.
        Damaged: the URL does not lead to a chatws database.
        Unavailable: the database cannot be read or the target cannot be written.
    """
    path = file_of(url)
    if target.exists():
        raise AlreadyExists("file")
    verify(path)
    with _errors(target), _scratch_beside(target) as scratch:
        _copy(path, scratch)
        _publish_file(scratch, target)


def restore(url: str, source: Path) -> str:
    """Replace the content of the database by a backup, give it a new epoch, and return the epoch.

    Atomic: a crash leaves the old content or the new. A database too damaged to be overwritten is renamed and
    replaced. A backup of an older chatws is upgraded.

    Raises:
        AlreadyRunning: a server has the database open.
        Damaged: the source is corrupt or is not a chatws database.
        SchemaMismatch: the source was created by a newer chatws.
        Unavailable: a file cannot be read or written.
    """
    path = file_of(url)
    verify(source)
    epoch = new_secret_id()
    sqlite.make_private(path)
    with server_lock_held(path), _errors(path), _scratch_beside(path) as scratch:
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
        BadUrl: the database is in memory or is not SQLite.
    """
    if not sqlite.is_sqlite(url):
        raise BadUrl("for PostgreSQL use pg_dump and pg_restore, then 'chatws db new-epoch'")
    path = sqlite.file_of(url)
    if path is None:
        raise BadUrl("a database in memory has no file; use sqlite:///PATH")
    return path


@contextmanager
def server_lock_held(path: Path) -> Iterator[None]:
    """Hold the server lock of the file.

    Raises:
        AlreadyRunning: a server has the file open.
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
    """Check that a file is an intact chatws database of this revision or an older one.

    Raises:
        Damaged: the file is missing, corrupt or not a chatws database.
        SchemaMismatch: a newer chatws created it.
    """
    if not path.is_file():
        raise Damaged(str(path), "there is no such file")
    with _errors(path), closing(_read_only(path)) as connection:
        names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {meta.name, "alembic_version"} <= names:
            raise Damaged(str(path), "it is not a chatws database")
        result = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if result != "ok":
            raise Damaged(str(path), result)
        found = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        if found > REVISION:
            raise SchemaMismatch(found, REVISION)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _copy(source: Path, target: Path) -> None:
    """Copy one snapshot of the source in one transaction of the target."""
    with closing(_read_only(source)) as read, closing(sqlite3.connect(target)) as written:
        written.execute("PRAGMA synchronous=FULL")
        read.backup(written)


@contextmanager
def _scratch_beside(path: Path) -> Iterator[Path]:
    """Create a private, empty file in the same directory, so that renaming it is atomic; it is removed at the end."""
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield scratch
    finally:
        for leftover in (scratch, *_log_files(scratch)):
            leftover.unlink(missing_ok=True)


def _publish_file(scratch: Path, target: Path) -> None:
    """Turn the scratch file into a single-file database, sync it to disk, and give it its final name."""
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
    # The log files move first: SQLite would replay them into a new database next to them.
    suffix = f".damaged-{secrets.token_hex(4)}"
    for old in (*_log_files(path), path):
        with suppress(FileNotFoundError):
            old.rename(old.with_name(old.name + suffix))
    _publish_file(scratch, path)


def _log_files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
