"""Transactions of the SQLite writer: a batch of appends and changes, decided by cached states if possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws.store.batch_executor import ErrorClass, TransactionFailure
from chatws.store.errors import StoreError
from chatws.store.interface import Draft, Stored
from chatws.store.job_queue import AppendJob, Job, QueryJob
from chatws.store.queries.append import OptimisticAppendFailed, append_batch
from chatws.store.queries.head_cache import HeadCache
from chatws.store.sqlite import SqliteConnection, outage_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from chatws.protocol.entities import ConversationStatus
    from chatws.protocol.webhooks import WebhookKind


class WriteTransactions:
    """Runs the transactions of one writer on its connection; no thread of its own."""

    def __init__(
        self,
        connection: SqliteConnection,
        *,
        clock_ms: Callable[[], int],
        reopen_status: ConversationStatus,
        webhook_kinds: frozenset[WebhookKind] = frozenset(),
    ) -> None:
        self._connection = connection
        self._clock_ms = clock_ms
        self._reopen_status: ConversationStatus = reopen_status
        self._webhook_kinds = webhook_kinds
        self._heads = HeadCache()
        self._expects_duplicates = False  # the last batch contained one

    def run(self, jobs: list[Job]) -> list[object]:
        """Run one transaction, appends first; the outcomes are durable when it returns."""
        drafts = [job.draft for job in jobs if isinstance(job, AppendJob)]
        queries = [job for job in jobs if isinstance(job, QueryJob)]
        now_ms = self._clock_ms() if drafts else 0
        cache = None if self._expects_duplicates else self._heads
        try:
            appended, queried = self._attempt(drafts, queries, now_ms, cache)
        except OptimisticAppendFailed:
            appended, queried = self._attempt(drafts, queries, now_ms, None)
        # While clients repeat messages, for example after all of them reconnected, no batch is tried in vain.
        self._expects_duplicates = any(isinstance(each, Stored) and each.duplicate for each in appended)
        next_appended, next_queried = iter(appended), iter(queried)
        return [next(next_appended) if isinstance(job, AppendJob) else next(next_queried) for job in jobs]

    def _attempt(
        self, drafts: list[Draft], queries: list[QueryJob], now_ms: int, cache: HeadCache | None
    ) -> tuple[list[Stored | StoreError], list[object]]:
        """Run one transaction; the appends are optimistic if they get the cache."""
        try:
            with self._connection.transaction() as connection:
                appended: list[Stored | StoreError] = []
                if drafts:
                    appended = append_batch(
                        connection,
                        drafts,
                        now_ms=now_ms,
                        reopen_status=self._reopen_status,
                        cache=cache,
                        webhook_kinds=self._webhook_kinds,
                    )
                return appended, [self._run(job, connection) for job in queries]
        except BaseException:
            self._heads.clear()  # it contains states that were rolled back
            raise

    def _run(self, job: QueryJob, connection: Connection) -> object:
        if job.changed_id is not None:
            self._heads.drop(job.changed_id)
        try:
            return job.query(connection)
        except StoreError as error:
            return error


def classify_sqlite_error(error: Exception) -> TransactionFailure:
    """Classify the failure of a transaction: an outage concerns every waiting job, any other error one job."""
    reason = outage_reason(error)
    if reason is None:
        return TransactionFailure(ErrorClass.INVALID, error, "")
    return TransactionFailure(ErrorClass.OUTAGE, error, reason)
