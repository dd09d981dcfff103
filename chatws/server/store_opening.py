"""Opening of the database at the start of a server, with a wait for a PostgreSQL that does not answer yet."""

from __future__ import annotations

import asyncio
import logging
import time

from chatws.exit_codes import ExitCode
from chatws.server.bot.dispatcher import BOT
from chatws.server.errors import StartError
from chatws.server.logs import log_event
from chatws.settings import Settings
from chatws.store import Store, StoreError, Unavailable
from chatws.store.factory import postgres_address

_log = logging.getLogger("chatws.server")

RETRY_S = 0.5
"""Pause between two attempts; a refused one takes a millisecond, an unanswered one up to 5 s."""

FIRST_INTERVAL_S = 1.0
"""Time until an attempt without an answer is logged, and between the first two lines; later ones are doubled."""


async def open_store(store: Store, settings: Settings) -> None:
    """Open the store, and wait up to ``database_wait_s`` for a PostgreSQL that cannot be reached or is starting.

    The last attempt can end up to 5 s later. An error that only the operator can solve, such as a wrong password, is
    raised at once.

    Raises:
        StartError: the database cannot be used.
    """
    address = postgres_address(settings.database)
    try:
        if address is None:
            await store.open()
        else:
            await _open_when_reachable(store, DatabaseWait(address, settings.database_wait_s))
        await store.ensure_user(BOT)
    except StoreError as problem:
        is_unreachable = address is not None and isinstance(problem, Unavailable)
        code = ExitCode.CANNOT_CONNECT if is_unreachable else ExitCode.FAILED
        raise StartError("the database", str(problem), code=code) from None


class DatabaseWait:
    """Wait for a PostgreSQL: its time limit, and its lines in the log, at growing intervals."""

    def __init__(self, address: str, limit_s: int) -> None:
        self._address = address
        self._limit_s = limit_s
        self._started = time.monotonic()
        self._reason = "no reply yet"  # of the last attempt
        self._first_failure = asyncio.Event()
        self._is_logged = False

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._limit_s - self._elapsed_s)

    def fail(self, reason: str) -> None:
        """Note the failure of an attempt."""
        self._reason = reason
        self._first_failure.set()

    async def report(self) -> None:
        """Log the wait until cancelled: at the first failure, or while the first attempt gets no reply, and later."""
        try:
            async with asyncio.timeout(FIRST_INTERVAL_S):
                await self._first_failure.wait()
        except TimeoutError:
            pass  # a host that drops packets does not refuse the connection
        interval_s = FIRST_INTERVAL_S
        while True:
            self._is_logged = True
            self._log(logging.WARNING, "waiting_for_database", why=self._reason, limitS=self._limit_s)
            await asyncio.sleep(interval_s)
            interval_s *= 2

    def finish(self) -> None:
        """Log that the database was reached, if the wait was logged."""
        if self._is_logged:
            self._log(logging.INFO, "database_reached")

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def _log(self, level: int, name: str, **keys: object) -> None:
        log_event(_log, level, name, address=self._address, waitedS=round(self._elapsed_s, 1), **keys)


async def _open_when_reachable(store: Store, wait: DatabaseWait) -> None:
    reporting = asyncio.create_task(wait.report())
    try:
        while True:
            try:
                await store.open()
                break
            except Unavailable as problem:
                remaining_s = wait.remaining_s
                if not remaining_s:
                    raise
                wait.fail(problem.reason)
                await asyncio.sleep(min(RETRY_S, remaining_s))
        wait.finish()
    finally:
        reporting.cancel()
