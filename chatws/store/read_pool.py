"""Threads that read while the writer writes, each with its own connection."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar, cast

from chatws.store.errors import StoreError, Unavailable
from chatws.store.job_queue import JobQueue, QueryJob
from chatws.store.sqlite import SqliteConnection, outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

READER_THREADS = 2
MAX_WAITING = 2_000
"""Most queries that wait; further ones are refused at once."""


class ReadPool:
    """A few threads that run queries, each query in one snapshot of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._mailbox: JobQueue[QueryJob] = JobQueue(self._loop, MAX_WAITING)
        self._threads = [
            threading.Thread(target=self._serve, name=f"store-reader-{number}", daemon=True)
            for number in range(READER_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one consistent snapshot."""
        job = QueryJob(self._loop, query)
        self._mailbox.post(job)
        return cast("T", await job.future)

    async def close(self) -> None:
        """Answer what waits, then end the threads."""
        self._mailbox.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _serve(self) -> None:
        kept = SqliteConnection(self._engine)
        while jobs := self._mailbox.take(1):
            for job in jobs:
                job.outcome = _outcome(kept, job)
            self._mailbox.answer(jobs)
        kept.close()


def _outcome(kept: SqliteConnection, job: QueryJob) -> object:
    try:
        with kept.transaction() as connection:
            return job.query(connection)
    except StoreError as refusal:
        return refusal
    except Exception as error:  # noqa: BLE001  a dead reader would leave everybody waiting for ever
        reason = outage(error)
        return error if reason is None else Unavailable(reason)
