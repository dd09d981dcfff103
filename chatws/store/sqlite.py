"""SQLite access of the store: file location and permissions, connections, pragmas and error classification."""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.util import LRUCache

from chatws.store.errors import BadUrl, Damaged, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.pool import ConnectionPoolEntry

CACHE_KIB = 32 * 1024
"""Page cache of a connection; SQLite's default of 2 MiB causes repeated reads once the indexes are larger."""

BUSY_TIMEOUT_MS = 5_000
"""Time for which a statement waits for another process's lock."""

MIN_FREE_BYTES = 1024 * 1024
"""Free space below which the disk counts as full; the largest messages take a few pages each."""

_MANUAL_BEGIN = "chatws_manual_begin"
"""Execution option of connections that begin and end their transactions themselves."""

_compiled: LRUCache[Any, Any] = LRUCache(500)
"""Compiled statements; the capacity is the default of an engine's own cache."""

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


def is_sqlite(url: str) -> bool:
    """Return False for a PostgreSQL URL; any other URL is parsed as one of SQLite."""
    return not url.startswith(("postgresql:", "postgresql+", "postgres:", "postgres+"))


def file_of(url: str) -> Path | None:
    """Return the database file of a URL, None for a database in memory.

    Raises:
        BadUrl: the URL is not one of SQLite, or has options.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadUrl("the database URL is malformed; use sqlite:///PATH or postgresql://…") from error
    if parsed.get_backend_name() != "sqlite":
        raise BadUrl(f"{parsed.get_backend_name()!r} databases are not supported; use sqlite:///PATH or postgresql://…")
    if parsed.query or parsed.host:
        raise BadUrl("an SQLite URL is sqlite:///PATH, without host and options")
    if parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database)).absolute()


def make_private(path: Path) -> None:
    """Create the file (and its directory) if needed, readable by its owner only; WAL files inherit its mode.

    Raises:
        Unavailable: the file system reports an error.
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


def check_disk_space(path: Path) -> None:
    """Check that the file system has free space.

    Raises:
        Unavailable: the disk is full, or its free space cannot be determined.
    """
    try:
        free_bytes = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise Unavailable(f"{path.parent}: {error.strerror}") from error
    if free_bytes < MIN_FREE_BYTES:
        raise Unavailable(f"{path.parent}: the disk is full")


def make_engine(path: Path | None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, writes: bool = True) -> Engine:
    """Create an engine whose transactions take the write lock at once or, with ``writes`` False, read one snapshot."""
    dialect = _examined_dialect()
    database = None if path is None else str(path)
    connect = functools.partial(
        dialect.connect, database or ":memory:", timeout=busy_timeout_ms / 1000, check_same_thread=False
    )
    engine = Engine(
        (StaticPool if path is None else NullPool)(connect, dialect=dialect),
        dialect,
        URL.create("sqlite+pysqlite", database=database),
        execution_options={"compiled_cache": _compiled},
        hide_parameters=True,  # error texts reach the log, message contents must not
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # BEGIN is issued explicitly: the driver would issue it too late for reads
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
        if _MANUAL_BEGIN not in connection.get_execution_options():
            _driver_connection(connection).execute(_begin_statement(writes=writes))

    return engine


@functools.cache
def _examined_dialect() -> Dialect:
    """Return the dialect of an engine that has connected once, which examines the driver.

    With the dialect, all engines of the process share their compiled statements. To compile them takes a third of the
    time to open a new database.
    """
    engine = create_engine("sqlite+pysqlite://")
    with engine.connect():
        pass
    engine.dispose()
    return engine.dialect


def check_file(connection: Connection) -> None:
    """Check the file for corruption.

    Raises:
        Damaged: the file is corrupt.
    """
    result = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    if result != "ok":
        raise Damaged(connection.engine.url.database or "the database", result)


def outage_reason(error: BaseException) -> str | None:
    """Return the reason of an outage, None if the error concerns one request only.

    ``OperationalError`` means a lock, a full disk, an I/O error or a read-only file; a bare ``DatabaseError`` means
    corruption.
    """
    cause = _driver_error(error)
    if isinstance(cause, sqlite3.OperationalError) or type(cause) is sqlite3.DatabaseError:
        return str(cause)
    return None


@contextmanager
def opening(path: Path | None) -> Iterator[None]:
    """Translate SQLite errors during opening into store errors."""
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
    """Persistent connection of one thread, reopened after a failure.

    Checking a connection out of a pool for each message costs more than storing the message. The statements that begin
    and end a transaction go to the driver: those of SQLAlchemy, whose own transaction therefore lasts as long as the
    connection, cost 100 us more.
    """

    def __init__(self, engine: Engine, *, writes: bool = True) -> None:
        """Prepare a connection of an engine with the same value of ``writes``."""
        self._engine = engine.execution_options(**{_MANUAL_BEGIN: True})
        self._begin_statement = _begin_statement(writes=writes)
        self._connection: Connection | None = None  # while open

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run one transaction: committed at the end, rolled back by an exception."""
        try:
            connection = self._open()
            driver_connection = _driver_connection(connection)
            driver_connection.execute(self._begin_statement)
            try:
                yield connection
            except BaseException:
                driver_connection.rollback()
                raise
            driver_connection.commit()
        except (DBAPIError, sqlite3.Error):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next transaction opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()
        return self._connection


def _driver_connection(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _begin_statement(*, writes: bool) -> str:
    return "BEGIN IMMEDIATE" if writes else "BEGIN"
