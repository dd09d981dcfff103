"""Work on a database as a whole: upgrade, backup, restore. Synchronous; meant for commands."""

from __future__ import annotations

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
    path = _file(url)
    sqlite.make_private(path)
    with _held(path), sqlite.opening(path), _transaction(path) as connection:
        migrations.upgrade(connection)
    return REVISION


def backup(url: str, target: Path) -> None:
    """Copy the database into one file, while a server goes on writing: a snapshot of one moment.

    Raises:
        AlreadyExists: the target is there already.
        Damaged: there is no chatws database at the URL.
        Unavailable: it can not be read, or the target not be written.
    """
    path = _file(url)
    if target.exists():
        raise AlreadyExists("file")
    _verify(path)
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
    path = _file(url)
    _verify(source)
    epoch = new_secret_id()
    sqlite.make_private(path)
    with _held(path), _errors(path), _scratch_beside(path) as scratch:
        _copy(source, scratch)
        with sqlite.opening(scratch), _transaction(scratch) as connection:
            migrations.upgrade(connection)
            connection.execute(update(meta).where(meta.c.name == EPOCH), {"value": epoch})
        try:
            _copy(scratch, path)
        except sqlite3.DatabaseError as error:
            if sqlite.outage(error) and not isinstance(error, sqlite3.OperationalError):
                _replace_damaged(path, scratch)
            else:
                raise
    return epoch


def _file(url: str) -> Path:
    path = sqlite.file_of(url)
    if path is None:
        raise BadUrl("a database in memory has no file; use sqlite:///PATH")
    return path


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = ServerLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _transaction(path: Path) -> Iterator[Connection]:
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


def _verify(path: Path) -> None:
    """See that a file is a whole chatws database, of this revision or an older one."""
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
