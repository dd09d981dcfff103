"""Group-commit executor of the SQLite and PostgreSQL stores: runs a batch of jobs in one transaction if possible."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from chatws.store.errors import Unavailable
from chatws.store.job_queue import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from chatws.store.job_queue import JobQueue

J = TypeVar("J", bound=Job)


class ErrorClass(Enum):
    """Effect of a database error on the failed transaction and on the jobs queued behind it."""

    INVALID = auto()
    """A job of the transaction is invalid; the other jobs can succeed."""
    RETRY = auto()
    """The transaction conflicted with another (deadlock, serialization): nothing was stored, a retry can succeed."""
    BUSY = auto()
    """A lock or a statement timed out; only this transaction is rejected."""
    OUTAGE = auto()
    """The database is unavailable: every waiting job would fail the same way after its own timeout."""


class TransactionFailure(NamedTuple):
    """Classified failure of one transaction."""

    error_class: ErrorClass
    error: Exception
    """Outcome of the job in a transaction of one job that fails with ``INVALID``."""
    reason: str
    """Reason of the ``Unavailable`` that is the outcome of the jobs for every other class."""


class BatchExecution(Generic[J]):
    """Transactions of one batch and the outcome of every job; performs no I/O.

    All jobs share one transaction first. If one of them is invalid, each job gets its own transaction, so that only
    the invalid one fails. An outage rejects all remaining jobs.
    """

    def __init__(self, batch: list[J]) -> None:
        self._batch = batch
        self._transactions = deque([batch])  # still to run
        self._outage: str | None = None  # the reason, once the database is unavailable

    def next_transaction(self) -> list[J]:
        """Return the jobs of the next transaction; an empty list means that the batch is done."""
        return self._transactions[0] if self._transactions else []

    def succeed(self, outcomes: Iterable[object]) -> None:
        """Set the outcomes of the current transaction's jobs, in their order; called after its commit."""
        for job, outcome in zip(self._transactions.popleft(), outcomes, strict=True):
            job.outcome = outcome

    def fail(self, failure: TransactionFailure) -> None:
        """Set the outcomes of the current transaction's jobs, or schedule a transaction for each of them."""
        jobs = self._transactions.popleft()
        if failure.error_class is ErrorClass.INVALID:
            if len(jobs) > 1:
                self._transactions.extend([job] for job in jobs)
            else:
                jobs[0].outcome = failure.error
            return
        _reject(jobs, failure.reason)
        if failure.error_class is ErrorClass.OUTAGE:
            for remaining in self._transactions:
                _reject(remaining, failure.reason)
            self._transactions.clear()
            self._outage = failure.reason

    def finish(self, queue: JobQueue[J]) -> list[J]:
        """Return the jobs to resolve: the batch, and after an outage also every job that waits in the queue."""
        if self._outage is None:
            return self._batch
        # Each of them would wait for another timeout, and then fail the same way.
        waiting = queue.take_waiting()
        _reject(waiting, self._outage)
        return self._batch + waiting


def run_batch(
    batch: list[J],
    transact: Callable[[list[J]], Iterable[object]],
    classify: Callable[[Exception], TransactionFailure],
) -> BatchExecution[J]:
    """Run a batch in the calling thread; ``transact`` commits some jobs and returns their outcomes in order."""
    execution = BatchExecution(batch)
    while jobs := execution.next_transaction():
        try:
            outcomes = transact(jobs)
        except Exception as error:  # noqa: BLE001  a worker that ended would leave every later job waiting for ever
            execution.fail(classify(error))
        else:
            execution.succeed(outcomes)
    return execution


async def run_batch_async(
    batch: list[J],
    transact: Callable[[list[J]], Awaitable[Iterable[object]]],
    classify: Callable[[Exception], TransactionFailure],
) -> BatchExecution[J]:
    """Run a batch in the calling task; ``transact`` commits some jobs and returns their outcomes in order."""
    execution = BatchExecution(batch)
    while jobs := execution.next_transaction():
        try:
            outcomes = await transact(jobs)
        except Exception as error:  # noqa: BLE001  as in run_batch
            execution.fail(classify(error))
        else:
            execution.succeed(outcomes)
    return execution


def _reject(jobs: Sequence[Job], reason: str) -> None:
    for job in jobs:
        job.outcome = Unavailable(reason)
