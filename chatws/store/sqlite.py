"""SQLite as the store needs it: where the file is and who may read it, connections, and their pragmas."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from chatws.store.errors import BadUrl, Damaged, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.pool import ConnectionPoolEntry

CACHE_KIB = 32 * 1024
"""Page cache of a connection; SQLite's 2 MiB are read again and again once the indexes outgrow them."""

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for another process's lock."""

MIN_FREE_BYTES = 1024 * 1024
"""With less than this the disk counts as full; the largest messages take a few pages each."""

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


def is_sqlite(url: str) -> bool:
    """Tell a URL that is SQLite's business (or nobody's) from one of PostgreSQL."""
    return not url.startswith(("postgresql:", "postgresql+", "postgres:", "postgres+"))


def file_of(url: str) -> Path | None:
    """Return the database file a URL names, None for a database in memory.

    Raises:
        BadUrl: not a URL of SQLite, or it has options.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadUrl("the database URL is malformed; use sqlite:///PATH or postgresql://…") from error
    if parsed.get_backend_name() != "sqlite":
        raise BadUrl(
            f"there is no store for {parsed.get_backend_name()!r} databases; use sqlite:///PATH or postgresql://…"
        )
    if parsed.query or parsed.host:
        raise BadUrl("an SQLite URL is sqlite:///PATH, without host and options")
    if parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database)).absolute()


def make_private(path: Path) -> None:
    """Make the file (and its directory) if needed, and close it to other users; WAL files inherit its mode.

    Raises:
        Unavailable: the file system refuses.
    """
    try:
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        try:
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, _FILE_MODE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def check_room(path: Path) -> None:
    """Refuse when the file system has next to nothing left.

    Raises:
        Unavailable: that is so, or it can not be asked.
    """
    try:
        free_bytes = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise Unavailable(f"{path.parent}: {error.strerror}") from error
    if free_bytes < MIN_FREE_BYTES:
        raise Unavailable(f"{path.parent}: the disk is full")


def make_engine(path: Path | None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, writes: bool = True) -> Engine:
    """Make an engine whose transactions take the write lock at once, or, if it does not write, read one snapshot."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=None if path is None else str(path)),
        poolclass=StaticPool if path is None else NullPool,
        connect_args={"timeout": busy_timeout_ms / 1000, "check_same_thread": False},
        hide_parameters=True,  # an error's text reaches the log, what somebody wrote does not
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver would do it too late for reads
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if not writes:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # On the driver's cursor: this runs before every commit, and SQLAlchemy's way costs more than the statement.
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        cursor.close()

    return engine


def check_file(connection: Connection) -> None:
    """Look for corruption.

    Raises:
        Damaged: there is some.
    """
    verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    if verdict != "ok":
        raise Damaged(connection.engine.url.database or "the database", verdict)


def outage_reason(error: BaseException) -> str | None:
    """Return why the database can not serve, or None if the error is about one request only.

    ``OperationalError`` is a lock, a full disk, I/O or a read-only file; a bare ``DatabaseError`` is corruption.
    """
    cause = _driver_error(error)
    if isinstance(cause, sqlite3.OperationalError) or type(cause) is sqlite3.DatabaseError:
        return str(cause)
    return None


@contextmanager
def opening(path: Path | None) -> Iterator[None]:
    """Turn what SQLite raises while a database is opened into the store's errors."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = _driver_error(error)
        if isinstance(cause, sqlite3.OperationalError):
            raise Unavailable(str(cause)) from error
        raise Damaged(str(path or "the database"), str(cause)) from error


def _driver_error(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


class SqliteConnection:
    """One connection of one thread, kept between transactions and replaced after it broke.

    Checking a connection out of a pool for every message costs more than storing the message.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run one transaction: committed at the end, rolled back by an exception."""
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            with self._connection.begin():
                yield self._connection
        except (DBAPIError, sqlite3.Error):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
