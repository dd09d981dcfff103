"""Pool of event loop tasks that take jobs from a bounded queue and run them in PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Generic, TypeVar

from chatws.store.batch_executor import ErrorClass, TransactionFailure, run_batch_async
from chatws.store.job_queue import Job, TaskJobQueue
from chatws.store.postgres import PostgresConnection, classify_error, reason_of, rejection_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

J = TypeVar("J", bound=Job)

MAX_ATTEMPTS = 4
"""Maximum number of attempts of a transaction that conflicts with others."""

_RETRY_PAUSE_S = 0.05


class WorkerQueue(Generic[J]):
    """Bounded job queue with worker tasks, each with its own connection.

    Jobs that wait while a task is busy share its next transaction, up to ``batch_size`` of them. ``work`` returns the
    outcomes in order; if it raises, the transaction is rolled back and each job is retried in its own transaction.
    """

    def __init__(
        self,
        connections: Sequence[PostgresConnection],
        work: Callable[[Connection, list[J]], Sequence[object]],
        *,
        batch_size: int,
        max_waiting: int,
    ) -> None:
        self._work = work
        self._batch_size = batch_size
        self._queue: TaskJobQueue[J] = TaskJobQueue(max_waiting)
        self._tasks = [asyncio.create_task(self._serve(connection)) for connection in connections]

    def post(self, job: J) -> None:
        """Queue a job.

        Raises:
            Unavailable: the queue is full or closed.
        """
        self._queue.post(job)

    async def close(self) -> None:
        """Accept no more jobs, finish the waiting ones, then end the tasks and close their connections."""
        self._queue.close()
        await asyncio.gather(*self._tasks)

    async def _serve(self, connection: PostgresConnection) -> None:
        async def transact(jobs: list[J]) -> Sequence[object]:
            return await self._transact(connection, jobs)

        while batch := await self._queue.take(self._batch_size):
            execution = await run_batch_async(batch, transact, _classify)
            for job in execution.finish(self._queue):
                job.resolve()
        await connection.close()

    async def _transact(self, connection: PostgresConnection, jobs: list[J]) -> Sequence[object]:
        """Run one transaction, and repeat it after a conflict; the outcomes are durable when it returns."""
        for attempt in range(MAX_ATTEMPTS - 1):
            try:
                return await connection.run(lambda open_connection: self._work(open_connection, jobs))
            except Exception as error:
                if classify_error(error) is not ErrorClass.RETRY:
                    raise
                await asyncio.sleep(random.uniform(0, _RETRY_PAUSE_S * 2**attempt))
        return await connection.run(lambda open_connection: self._work(open_connection, jobs))


def _classify(error: Exception) -> TransactionFailure:
    error_class = classify_error(error)
    reason = "" if error_class is ErrorClass.INVALID else reason_of(error)
    return TransactionFailure(error_class, rejection_error(error), reason)
