"""Outcomes of a batch: an invalid job fails alone, an outage rejects all waiting jobs."""

from __future__ import annotations

import asyncio

from chatws.store import Unavailable
from chatws.store.batch_executor import ErrorClass, TransactionFailure, run_batch, run_batch_async
from chatws.store.job_queue import QueryJob, TaskJobQueue


class InvalidJobError(Exception):
    """Failure of a transaction with an invalid job."""


class DatabaseDownError(Exception):
    """Failure of a transaction because the database is unavailable."""


def _classify(error: Exception) -> TransactionFailure:
    if isinstance(error, InvalidJobError):
        return TransactionFailure(ErrorClass.INVALID, error, "")
    return TransactionFailure(
        ErrorClass.OUTAGE if isinstance(error, DatabaseDownError) else ErrorClass.BUSY, error, "no"
    )


def _jobs(count: int) -> list[QueryJob]:
    loop = asyncio.get_running_loop()
    return [QueryJob(loop, lambda _connection: None) for _ in range(count)]


async def test_valid_batch_takes_one_transaction() -> None:
    batch = _jobs(3)
    transactions: list[list[QueryJob]] = []

    def transact(jobs: list[QueryJob]) -> list[object]:
        transactions.append(jobs)
        return [batch.index(job) for job in jobs]

    execution = run_batch(batch, transact, _classify)
    assert execution.finish(TaskJobQueue(10)) == batch
    assert transactions == [batch]
    assert [job.outcome for job in batch] == [0, 1, 2]


async def test_invalid_job_fails_alone() -> None:
    batch = _jobs(3)

    def transact(jobs: list[QueryJob]) -> list[object]:
        if batch[1] in jobs:
            raise InvalidJobError
        return [batch.index(job) for job in jobs]

    run_batch(batch, transact, _classify)
    assert [batch[0].outcome, batch[2].outcome] == [0, 2]
    assert isinstance(batch[1].outcome, InvalidJobError)


async def test_outage_while_jobs_run_alone_rejects_the_remaining_and_the_waiting_jobs() -> None:
    batch, waiting = _jobs(3), _jobs(2)
    queue: TaskJobQueue[QueryJob] = TaskJobQueue(10)
    for job in waiting:
        queue.post(job)

    async def transact(jobs: list[QueryJob]) -> list[object]:
        if len(jobs) > 1:
            raise InvalidJobError
        if jobs == [batch[1]]:
            raise DatabaseDownError
        return ["stored"]

    execution = await run_batch_async(batch, transact, _classify)
    assert execution.finish(queue) == batch + waiting
    assert batch[0].outcome == "stored"
    assert all(isinstance(job.outcome, Unavailable) for job in [*batch[1:], *waiting])
    assert queue.take_waiting() == []


async def test_timeout_rejects_its_transaction_only() -> None:
    batch, waiting = _jobs(2), _jobs(1)
    queue: TaskJobQueue[QueryJob] = TaskJobQueue(10)
    queue.post(waiting[0])

    async def transact(_jobs: list[QueryJob]) -> list[object]:
        raise TimeoutError

    execution = await run_batch_async(batch, transact, _classify)
    assert execution.finish(queue) == batch
    assert all(isinstance(job.outcome, Unavailable) for job in batch)
    assert queue.take_waiting() == waiting
