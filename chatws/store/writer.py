"""The group-commit writer: what waits while one transaction commits goes into the next."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar, cast

from chatws.store.errors import StoreError, Unavailable
from chatws.store.interface import Draft, Stored
from chatws.store.job_queue import AppendJob, Job, JobQueue, QueryJob
from chatws.store.queries.append import append_batch
from chatws.store.sqlite import SqliteConnection, outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from chatws.protocol.entities import ConversationStatus

T = TypeVar("T")

MAX_BATCH = 256
"""Most jobs in one transaction: it bounds how long the last of them waits, and how long readers of the log wait."""

GATHER_S = 0.002
"""How long a busy writer waits for more jobs; an idle one commits at once.

A commit costs as much as ten rows: this saves a fifth of the store's CPU at 2,000 messages a second.
"""

MAX_WAITING = 2_000
"""Most jobs that wait; further ones are refused at once."""


class GroupCommitWriter:
    """The only thread of this process that writes, with one connection of its own.

    An idle writer commits at once. Under load a transaction costs one sync to the disk however many rows it holds.
    """

    def __init__(
        self, engine: Engine, *, clock_ms: Callable[[], int], reopen_status: ConversationStatus, max_waiting: int
    ) -> None:
        self._clock_ms = clock_ms
        self._reopen_status: ConversationStatus = reopen_status
        self._connection = SqliteConnection(engine)
        self._loop = asyncio.get_running_loop()
        self._mailbox: JobQueue[Job] = JobQueue(self._loop, max_waiting)
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    async def append(self, draft: Draft) -> Stored:
        """Append a message; durable when it returns."""
        job = AppendJob(self._loop, draft)
        self._mailbox.post(job)
        return cast("Stored", await job.future)

    async def run(self, change: Callable[[Connection], T]) -> T:
        """Run a change in the next transaction. It must write nothing if it raises a ``StoreError``.

        It may run again if something else in its transaction failed.
        """
        job = QueryJob(self._loop, change)
        self._mailbox.post(job)
        return cast("T", await job.future)

    async def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._mailbox.close()
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        while batch := self._mailbox.take(MAX_BATCH, GATHER_S):
            reason = self._attempt(batch)
            if reason is not None:
                # Whoever waits would wait another busy timeout for the same refusal.
                waiting = self._mailbox.take_waiting()
                _refuse(waiting, reason)
                batch += waiting
            self._mailbox.answer(batch)
        self._connection.close()

    def _attempt(self, batch: list[Job]) -> str | None:
        """Set the outcome of every job; return why the database can not serve, None if it can."""
        try:
            self._transact(batch)
        except Exception as error:  # noqa: BLE001  a dead writer would leave everybody waiting for ever
            reason = outage(error)
            if reason is not None:
                _refuse(batch, reason)
                return reason
            if len(batch) == 1:
                batch[0].outcome = error
                return None
            return self._attempt_each(batch)
        return None

    def _attempt_each(self, batch: list[Job]) -> str | None:
        """Give every job its own transaction, so that only the one at fault fails."""
        for place, job in enumerate(batch):
            reason = self._attempt([job])
            if reason is not None:
                _refuse(batch[place:], reason)
                return reason
        return None

    def _transact(self, batch: list[Job]) -> None:
        appends = [job for job in batch if isinstance(job, AppendJob)]
        calls = [job for job in batch if isinstance(job, QueryJob)]
        with self._connection.transaction() as connection:
            outcomes: list[object] = []
            if appends:
                drafts = [job.draft for job in appends]
                now_ms = self._clock_ms()
                outcomes += append_batch(connection, drafts, now_ms=now_ms, reopen_status=self._reopen_status)
            outcomes += [_run(call, connection) for call in calls]
        # Only now is it durable: a commit that failed has not come here.
        for job, outcome in zip([*appends, *calls], outcomes, strict=True):
            job.outcome = outcome


def _run(call: QueryJob, connection: Connection) -> object:
    try:
        return call.query(connection)
    except StoreError as refusal:
        return refusal


def _refuse(jobs: list[Job], reason: str) -> None:
    for job in jobs:
        job.outcome = Unavailable(reason)
