"""PostgreSQL access of the store: URL parsing, connections with a time limit, and error classification."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from chatws.store.batch_executor import ErrorClass
from chatws.store.errors import BadUrl, StoreError, StoreUnusable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

APPLICATION_NAME = "chatws"
"""Name of the connections in ``pg_stat_activity``."""

_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""The driver raises ``InternalClientError`` when it loses the connection, for example during a commit."""

_CLOSE_TIMEOUT_S = 1.0
"""Time for which a graceful close waits for PostgreSQL."""

_SCHEMES = {"postgresql", "postgres"}

_CONFLICTS = {"40001", "40P01"}
_TIMEOUTS = {"55P03", "57014"}
_OUTAGE_CLASSES = {
    "08",  # connection errors
    "25",  # read-only, for example a standby after a switch-over
    "28",  # authentication
    "3D",  # missing database
    "42",  # missing tables or privileges
    "53",  # disk, memory or connections exhausted
    "57",  # shutting down or starting up
    "58",  # I/O errors
    "XX",  # corruption
}


def dsn_of(url: str) -> str:
    """Return the URL in the driver's form; its options are those of libpq (``sslmode``, ``target_session_attrs``, …).

    Raises:
        BadUrl: the URL is not a PostgreSQL URL, or has no database name.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadUrl("the database URL is malformed; use postgresql://USER@HOST/DATABASE") from error
    backend, _, driver = parsed.drivername.partition("+")
    if backend not in _SCHEMES or driver not in {"", "asyncpg"}:
        raise BadUrl("use postgresql://USER@HOST/DATABASE")
    if not parsed.database:
        raise BadUrl("the database URL names no database; use postgresql://USER@HOST/DATABASE")
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


def classify_error(error: BaseException) -> ErrorClass:
    """Return the effect of an error on its transaction and on the jobs behind it."""
    cause = _driver_error(error)
    if cause is None or isinstance(cause, ValueError):  # the driver could not encode a value
        return ErrorClass.INVALID
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:
        return ErrorClass.OUTAGE
    if state in _CONFLICTS:
        return ErrorClass.RETRY
    if state in _TIMEOUTS:
        return ErrorClass.BUSY
    return ErrorClass.OUTAGE if state[:2] in _OUTAGE_CLASSES else ErrorClass.INVALID


def rejection_error(error: Exception) -> Exception:
    """Return the exception to raise for an invalid request.

    The driver's exception quotes the text that it could not encode, which may be a message; its cause does not.
    """
    cause = _driver_error(error)
    inner = None if cause is None else cause.__cause__
    return inner if isinstance(inner, UnicodeError) else error


def reason_of(error: BaseException) -> str:
    """Return one line for the operator, without row values and secrets."""
    cause = _driver_error(error) or error
    if isinstance(cause, TimeoutError):
        return "PostgreSQL does not respond"
    if isinstance(cause, OSError):
        # The event loop's own text lists the addresses that it tried and adds nothing else.
        why = os.strerror(cause.errno) if cause.errno else "it cannot be reached"
        return f"no connection to PostgreSQL: {why}"
    if isinstance(cause, asyncpg.InternalClientError):
        return "PostgreSQL: the connection was lost"
    text = str(cause.args[0]) if cause.args else type(cause).__name__
    return f"PostgreSQL: {text.splitlines()[0]}"


def _opening_error(error: BaseException) -> StoreError:
    """Return the store error for a failure while the database is opened, with advice for the operator."""
    reason = reason_of(error)
    state: str = getattr(_driver_error(error), "sqlstate", None) or ""
    if state.startswith("28"):
        return StoreUnusable(f"{reason}; check the user and the password in the database URL")
    if state.startswith("3D"):
        return StoreUnusable(f"{reason}; create it with 'createdb'")
    if state == "42501":
        return StoreUnusable(f"{reason}; the user needs the right to create tables there")
    return Unavailable(reason)


def _driver_error(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, _DRIVER_ERRORS):
        error = error.orig if isinstance(error, DBAPIError) else error.__cause__
    return error


class PostgresConnection:
    """Persistent connection of one task: reopened after a failure, aborted when a transaction exceeds its timeout.

    A frozen server, or a network that drops packets, does not even answer a cancel request. The timeout is therefore
    enforced on the client side: it closes the socket, and the transaction fails at once.
    """

    def __init__(self, dsn: str, *, writes: bool, timeout_s: float | None) -> None:
        """Prepare the connection without opening it; ``timeout_s`` None means no time limit for transactions."""
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._raw: Any = None  # the driver's connection, once opened
        self._connection: AsyncConnection | None = None  # while usable
        self._timed_out = False  # the current transaction exceeded its timeout
        self._writes = writes

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run one transaction: committed at the end, rolled back by an exception.

        Raises:
            Exception: errors of ``work`` and of the driver; ``classify_error`` distinguishes them.
        """
        self._timed_out = False
        timer = None
        if self._timeout_s is not None:
            timer = asyncio.get_running_loop().call_later(self._timeout_s, self._abort)
        try:
            return await self._run(work)
        except Exception as error:
            if self._is_lost or not isinstance(error, StoreError):
                await self.close()
            if self._timed_out:
                raise TimeoutError from error
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        is_committing = False
        was_open = self._connection is not None
        connection = await self._get_connection()
        try:
            async with connection.begin():
                result = await connection.run_sync(work)
                is_committing = True
            return result
        except Exception:
            # PostgreSQL was restarted after the last transaction. Nothing is stored: retry on a new connection.
            if was_open and self._is_lost and not is_committing and not self._timed_out:
                await self.close()
                return await self._run(work)
            raise

    async def close(self) -> None:
        """Close the connection, gracefully if PostgreSQL responds; the next transaction opens a new one."""
        connection, self._connection = self._connection, None
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(Exception):
                await raw.close(timeout=_CLOSE_TIMEOUT_S)
            raw.terminate()
        if connection is not None:
            with suppress(Exception):
                await connection.close()

    @property
    def _is_lost(self) -> bool:
        return self._raw is None or self._raw.is_closed()

    async def _get_connection(self) -> AsyncConnection:
        if self._connection is not None and self._is_lost:  # for example because PostgreSQL was restarted
            await self.close()
        if self._connection is None:
            opening = _opening.set(self)
            try:
                self._connection = await _engine(writes=self._writes).connect()
            finally:
                _opening.reset(opening)
        return self._connection

    async def connect(self) -> object:
        """Open the driver's connection; called by SQLAlchemy's engine."""
        settings = {"application_name": APPLICATION_NAME, "jit": "off"}
        if self._timeout_s is not None:
            # PostgreSQL times out before this client, and so releases the locks of a server frozen in a transaction.
            shares = {"statement_timeout": 0.8, "lock_timeout": 0.6, "idle_in_transaction_session_timeout": 0.4}
            settings |= {name: str(int(self._timeout_s * 1_000 * share)) for name, share in shares.items()}
        self._raw = await asyncpg.connect(
            self._dsn, timeout=(self._timeout_s or 10.0) * 0.8, server_settings=settings, statement_cache_size=0
        )
        if self._timed_out:  # before there was a socket to close
            self._raw.terminate()
        return self._raw

    def _abort(self) -> None:
        self._timed_out = True
        if self._raw is not None:
            self._raw.terminate()


_opening: ContextVar[PostgresConnection] = ContextVar("_opening")
"""Connection that the current task opens."""


@cache
def _engine(*, writes: bool) -> AsyncEngine:
    """Return SQLAlchemy's engine of all connections of this process: it compiles each statement once for them."""
    if not writes:
        # A read is one snapshot. Writers lock the rows that they check, and see everything committed before.
        return _engine(writes=True).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=_connect,
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # error texts reach the log, message contents must not
    )


async def _connect() -> object:
    return await _opening.get().connect()


async def run_once(
    url: str, work: Callable[[Connection], T], *, writes: bool = True, timeout_s: float | None = None
) -> T:
    """Run one transaction on a new connection, by default without a time limit.

    Raises:
        StoreUnusable: the operator has to act first.
        Unavailable: PostgreSQL cannot be reached, or the transaction failed.
    """
    connection = PostgresConnection(dsn_of(url), writes=writes, timeout_s=timeout_s)
    try:
        return await connection.run(work)
    except StoreError:
        raise
    except Exception as error:
        raise _opening_error(error) from error
    finally:
        await connection.close()
