"""Pool of SQLite reader threads, each with its own connection; reads run in parallel with the writer."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar, cast

from chatws.store.errors import StoreError, Unavailable
from chatws.store.job_queue import QueryJob, ThreadJobQueue
from chatws.store.sqlite import SqliteConnection, outage_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

READER_THREADS = 2
MAX_WAITING = 2_000
"""Maximum number of waiting queries; further ones are rejected at once."""


class ReadPool:
    """Threads that run queries, each query in one snapshot of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._queue: ThreadJobQueue[QueryJob] = ThreadJobQueue(self._loop, MAX_WAITING)
        self._threads = [
            threading.Thread(target=self._serve, name=f"store-reader-{number}", daemon=True)
            for number in range(READER_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one consistent snapshot."""
        job = QueryJob(self._loop, query)
        self._queue.post(job)
        return cast("T", await job.future)

    async def close(self) -> None:
        """Finish the waiting queries, then end the threads."""
        self._queue.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _serve(self) -> None:
        connection = SqliteConnection(self._engine, writes=False)
        while jobs := self._queue.take(1):
            for job in jobs:
                job.outcome = _outcome(connection, job)
            self._queue.resolve(jobs)
        connection.close()


def _outcome(connection: SqliteConnection, job: QueryJob) -> object:
    try:
        with connection.transaction() as open_connection:
            return job.query(open_connection)
    except StoreError as error:
        return error
    except Exception as error:  # noqa: BLE001  a thread that ended would leave every later query waiting for ever
        reason = outage_reason(error)
        return error if reason is None else Unavailable(reason)
