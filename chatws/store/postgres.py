"""PostgreSQL as the store needs it: its URL, connections that can not hang, and what its errors mean."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from chatws.store.errors import BadUrl, StoreError, StoreUnusable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

APPLICATION_NAME = "chatws"
"""What ``pg_stat_activity`` calls our connections."""

_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""The third is the driver's confusion about a connection that broke under it, as in the midst of a commit."""

_FAREWELL_S = 1.0
"""How long a connection that is closed waits for PostgreSQL to agree."""

_SPELLINGS = {"postgresql", "postgres"}


class ErrorClass(Enum):
    """What an error says about the request, and about those that wait behind it."""

    FAULT = auto()
    """The request itself is at fault; others may go on."""
    AGAIN = auto()
    """It lost a race (deadlock, serialization): nothing was done, and repeating it helps."""
    BUSY = auto()
    """Somebody holds a lock, or it took too long; only this request is refused."""
    DOWN = auto()
    """The database can not serve: whoever waits would wait for the same refusal."""


_LOST_RACE = {"40001", "40P01"}
_TOO_LONG = {"55P03", "57014"}
_DOWN_CLASSES = {
    "08",  # the connection
    "25",  # read-only: a standby after a switch-over
    "28",  # the log-in
    "3D",  # the database
    "42",  # tables or rights are missing
    "53",  # disk, memory or connections are used up
    "57",  # shutting down, starting up
    "58",  # I/O
    "XX",  # corruption
}


def dsn_of(url: str) -> str:
    """Return the URL as the driver wants it; its options are libpq's (``sslmode``, ``target_session_attrs``, …).

    Raises:
        BadUrl: it is no PostgreSQL URL, or names no database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadUrl("the database URL is malformed; use postgresql://USER@HOST/DATABASE") from error
    backend, _, driver = parsed.drivername.partition("+")
    if backend not in _SPELLINGS or driver not in {"", "asyncpg"}:
        raise BadUrl("use postgresql://USER@HOST/DATABASE")
    if not parsed.database:
        raise BadUrl("the database URL names no database; use postgresql://USER@HOST/DATABASE")
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


def verdict_of(error: BaseException) -> ErrorClass:
    """Say what an error of a transaction means for it and for others."""
    cause = _driver_error(error)
    if cause is None or isinstance(cause, ValueError):  # what the driver can not even send
        return ErrorClass.FAULT
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:
        return ErrorClass.DOWN
    if state in _LOST_RACE:
        return ErrorClass.AGAIN
    if state in _TOO_LONG:
        return ErrorClass.BUSY
    return ErrorClass.DOWN if state[:2] in _DOWN_CLASSES else ErrorClass.FAULT


def fault_of(error: Exception) -> Exception:
    """Return what to raise for a request that is at fault itself.

    The driver quotes the text that it could not encode, which may be somebody's message; what it caught does not.
    """
    cause = _driver_error(error)
    inner = None if cause is None else cause.__cause__
    return inner if isinstance(inner, UnicodeError) else error


def reason_of(error: BaseException) -> str:
    """Return one line for people, without values of rows and without secrets."""
    cause = _driver_error(error) or error
    if isinstance(cause, TimeoutError):
        return "PostgreSQL does not answer"
    if isinstance(cause, OSError):
        # The event loop counts the addresses it tried in its own words, which say nothing more.
        why = os.strerror(cause.errno) if cause.errno else "it can not be reached"
        return f"no connection to PostgreSQL: {why}"
    if isinstance(cause, asyncpg.InternalClientError):
        return "PostgreSQL: the connection broke"
    words = str(cause.args[0]) if cause.args else type(cause).__name__
    return f"PostgreSQL: {words.splitlines()[0]}"


def _opening_error(error: BaseException) -> StoreError:
    """Return what a failure while opening means for the one who starts the server."""
    reason = reason_of(error)
    state: str = getattr(_driver_error(error), "sqlstate", None) or ""
    if state.startswith("28"):
        return StoreUnusable(f"{reason}; check the user and the password in the database URL")
    if state.startswith("3D"):
        return StoreUnusable(f"{reason}; make it with 'createdb'")
    if state == "42501":
        return StoreUnusable(f"{reason}; the user needs the right to make tables there")
    return Unavailable(reason)


def _driver_error(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, _DRIVER_ERRORS):
        error = error.orig if isinstance(error, DBAPIError) else error.__cause__
    return error


class PostgresConnection:
    """One connection of one task: kept between transactions, replaced after it broke, cut off when its time is up.

    A server that is frozen, or a network that swallows packets, answers nothing, not even a request to cancel. So the
    clock is ours: when a transaction's time is up its socket is closed, and whatever waits for it fails at once.
    """

    def __init__(self, dsn: str, *, writes: bool, timeout_s: float | None) -> None:
        """Nothing is opened yet; ``timeout_s`` None lets transactions take as long as they want."""
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._raw: Any = None  # the driver's connection, once made
        self._connection: AsyncConnection | None = None  # while usable
        self._was_cut = False  # the transaction's time was up
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=NullPool,
            # A read is one snapshot. Writers lock the rows they decide about and see what others committed before.
            isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
            execution_options={} if writes else {"postgresql_readonly": True},
            hide_parameters=True,  # an error's text reaches the log, what somebody wrote does not
        )

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run one transaction: committed at the end, rolled back by an exception.

        Raises:
            Exception: what ``work`` raises, and the driver's errors; ``verdict_of`` tells them apart.
        """
        self._was_cut = False
        timer = None
        if self._timeout_s is not None:
            timer = asyncio.get_running_loop().call_later(self._timeout_s, self._cut)
        try:
            return await self._run(work)
        except Exception as error:
            if self._is_lost or not isinstance(error, StoreError):
                await self.close()
            if self._was_cut:
                raise TimeoutError from error
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        is_committing = False
        was_kept = self._connection is not None
        connection = await self._usable()
        try:
            async with connection.begin():
                result = await connection.run_sync(work)
                is_committing = True
            return result
        except Exception:
            # PostgreSQL was restarted and we had not noticed: nothing is stored, so once more on a new connection.
            if was_kept and self._is_lost and not is_committing and not self._was_cut:
                await self.close()
                return await self._run(work)
            raise

    async def close(self) -> None:
        """Close the connection, politely if PostgreSQL answers; the next transaction opens another."""
        connection, self._connection = self._connection, None
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(Exception):
                await raw.close(timeout=_FAREWELL_S)
            raw.terminate()
        if connection is not None:
            with suppress(Exception):
                await connection.close()

    @property
    def _is_lost(self) -> bool:
        return self._raw is None or self._raw.is_closed()

    async def _usable(self) -> AsyncConnection:
        if self._connection is not None and self._is_lost:  # PostgreSQL was restarted since
            await self.close()
        if self._connection is None:
            self._connection = await self._engine.connect()
        return self._connection

    async def _connect(self) -> object:
        settings = {"application_name": APPLICATION_NAME, "jit": "off"}
        if self._timeout_s is not None:
            # PostgreSQL gives up before we do, and frees the locks of a server that froze in a transaction.
            shares = {"statement_timeout": 0.8, "lock_timeout": 0.6, "idle_in_transaction_session_timeout": 0.4}
            settings |= {name: str(int(self._timeout_s * 1_000 * share)) for name, share in shares.items()}
        self._raw = await asyncpg.connect(
            self._dsn, timeout=(self._timeout_s or 10.0) * 0.8, server_settings=settings, statement_cache_size=0
        )
        if self._was_cut:  # while there was nothing to cut yet
            self._raw.terminate()
        return self._raw

    def _cut(self) -> None:
        self._was_cut = True
        if self._raw is not None:
            self._raw.terminate()


async def once(url: str, work: Callable[[Connection], T], *, writes: bool = True, timeout_s: float | None = None) -> T:
    """Run one transaction on a connection of its own, which may take as long as it wants.

    Raises:
        StoreUnusable: somebody has to act first.
        Unavailable: PostgreSQL can not be reached, or the transaction failed.
    """
    kept = PostgresConnection(dsn_of(url), writes=writes, timeout_s=timeout_s)
    try:
        return await kept.run(work)
    except StoreError:
        raise
    except Exception as error:
        raise _opening_error(error) from error
    finally:
        await kept.close()
