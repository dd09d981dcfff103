"""Tasks of the event loop that take jobs from a bounded queue and run them in PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Generic, TypeVar

from chatws.store.errors import Unavailable
from chatws.store.job_queue import Job
from chatws.store.postgres import ErrorClass, PostgresConnection, fault_of, reason_of, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

J = TypeVar("J", bound=Job)

TRIES = 4
"""How often a transaction that lost a race is run."""

_RETRY_PAUSE_S = 0.05


class WorkerQueue(Generic[J]):
    """A queue and the tasks that serve it, each with a connection of its own. Full means refused, at once.

    What waits while a task is busy goes into its next transaction, up to ``most`` jobs. ``work`` returns the outcomes
    in order; if it raises, the transaction is rolled back and each of its jobs gets one of its own.
    """

    def __init__(
        self,
        connections: Sequence[PostgresConnection],
        work: Callable[[Connection, list[J]], Sequence[object]],
        *,
        most: int,
        max_waiting: int,
    ) -> None:
        self._work = work
        self._most = most
        self._max_waiting = max_waiting
        self._queue: asyncio.Queue[J | None] = asyncio.Queue()  # None ends the tasks
        self._closed = False
        self._tasks = [asyncio.create_task(self._serve(kept)) for kept in connections]

    def post(self, job: J) -> None:
        """Queue a job.

        Raises:
            Unavailable: full or closed.
        """
        if self._closed:
            raise Unavailable("closed")
        if self._queue.qsize() >= self._max_waiting:
            raise Unavailable("too many requests are waiting")
        self._queue.put_nowait(job)

    async def close(self) -> None:
        """Accept nothing more, finish what waits, then end the tasks and close their connections."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)
        await asyncio.gather(*self._tasks)

    async def _serve(self, kept: PostgresConnection) -> None:
        while batch := await self._take():
            reason = await self._attempt(kept, batch)
            if reason is not None:
                # Whoever waits would wait for the same refusal.
                waiting = self._take_waiting(None)
                _refuse(waiting, reason)
                batch += waiting
            for job in batch:
                job.settle()
        await kept.close()

    async def _take(self) -> list[J]:
        """Wait for a job and return it with those right behind it; an empty list is the end."""
        first = await self._queue.get()
        if first is None:
            self._queue.put_nowait(None)  # for the other tasks
            return []
        return [first, *self._take_waiting(self._most - 1)]

    def _take_waiting(self, most: int | None) -> list[J]:
        jobs: list[J] = []
        while (most is None or len(jobs) < most) and not self._queue.empty():
            job = self._queue.get_nowait()
            if job is None:
                self._queue.put_nowait(None)
                break
            jobs.append(job)
        return jobs

    async def _attempt(self, kept: PostgresConnection, batch: list[J]) -> str | None:
        """Set the outcome of every job; return why the database can not serve, None if it can."""
        for number in range(TRIES):
            try:
                outcomes = await kept.run(lambda connection: self._work(connection, batch))
            except Exception as error:  # noqa: BLE001  a dead task would leave everybody waiting for ever
                verdict = verdict_of(error)
                if verdict is ErrorClass.AGAIN and number < TRIES - 1:
                    await asyncio.sleep(random.uniform(0, _RETRY_PAUSE_S * 2**number))
                    continue
                return await self._settle_failure(kept, batch, verdict, error)
            # Only now is it durable: a commit that failed has not come here.
            for job, outcome in zip(batch, outcomes, strict=True):
                job.outcome = outcome
            break
        return None

    async def _settle_failure(
        self, kept: PostgresConnection, batch: list[J], verdict: ErrorClass, error: Exception
    ) -> str | None:
        if verdict is ErrorClass.FAULT:
            if len(batch) > 1:
                return await self._attempt_each(kept, batch)
            batch[0].outcome = fault_of(error)
            return None
        reason = reason_of(error)
        _refuse(batch, reason)
        return reason if verdict is ErrorClass.DOWN else None

    async def _attempt_each(self, kept: PostgresConnection, batch: list[J]) -> str | None:
        """Give every job its own transaction, so that only the one at fault fails."""
        for place, job in enumerate(batch):
            reason = await self._attempt(kept, [job])
            if reason is not None:
                _refuse(batch[place:], reason)
                return reason
        return None


def _refuse(jobs: Sequence[Job], reason: str) -> None:
    for job in jobs:
        job.outcome = Unavailable(reason)
