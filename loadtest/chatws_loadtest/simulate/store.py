"""Store of a simulated server: the real queries and batches, after virtual delays, and with outages."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

from sqlalchemy import Connection

from chatws.store import Account
from chatws.store.batch_executor import run_batch_async
from chatws.store.errors import Unavailable
from chatws.store.interface import Draft, Stored
from chatws.store.job_queue import AppendJob, Job, QueryJob, TaskJobQueue
from chatws.store.sql_store import SqlStore
from chatws.store.write_transactions import WriteTransactions, classify_sqlite_error
from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.clock import VirtualClock
from chatws_loadtest.simulate.database import EPOCH, SharedDatabase
from chatws_loadtest.simulate.stored_state import StoredState
from chatws_loadtest.simulate.trace import SimulationTrace
from chatws_loadtest.simulate.virtual_loop import SimulatedProcess

T = TypeVar("T")

MAX_BATCH = 256
MAX_WAITING = 2_000

READ_S = (0.0003, 0.004)
WRITE_S = (0.001, 0.008)
REPLY_S = (0.0002, 0.004)
"""Bounds of the delays of a read, of a commit, and of the reply to a commit."""


class StoreFaults:
    """Faults of the database, shared by all servers."""

    def __init__(self) -> None:
        self.down_until = 0.0
        self.slow_until = 0.0
        self.extra_s = 0.0
        """Additional delay of each request until ``slow_until``."""
        self.lost_commits = 0
        """Number of commits whose reply will be lost."""

    def check(self, now: float) -> None:
        """Raise the driver's error during an outage.

        Raises:
            sqlite3.OperationalError: the database is down.
        """
        if now < self.down_until:
            raise sqlite3.OperationalError("simulated outage")

    def delay_s(self, now: float) -> float:
        """Return the additional delay."""
        return self.extra_s if now < self.slow_until else 0.0

    def heal(self) -> None:
        """End all faults."""
        self.down_until = self.slow_until = 0.0
        self.lost_commits = 0


class StoreSimulation(Protocol):
    """Parts of the simulation that stores share."""

    database: SharedDatabase
    store_faults: StoreFaults
    stored: StoredState
    trace: SimulationTrace
    clock: VirtualClock


class SimulatedDatabase:
    """`chatws.store.sql_store.Database` of one server: reads run alone, writes in batches."""

    def __init__(self, simulation: StoreSimulation, server: str, process: SimulatedProcess, rng: UserRng) -> None:
        self._simulation = simulation
        self._server = server
        self._process = process
        self._rng = rng
        self._queue: TaskJobQueue[Job] = TaskJobQueue(MAX_WAITING)
        self._transactions = WriteTransactions(
            simulation.database.connection, clock_ms=simulation.clock.now_ms, reopen_status="queued"
        )
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> str:
        """Start the writer."""
        self._writer = asyncio.get_running_loop().create_task(self._serve())
        return EPOCH

    async def close(self) -> None:
        """Finish the waiting writes."""
        self._queue.close()
        if self._writer is not None:
            await self._writer

    async def append(self, draft: Draft) -> Stored:
        """Append a message in the next batch."""
        job = AppendJob(asyncio.get_running_loop(), draft)
        self._queue.post(job)
        return cast("Stored", await job.future)

    async def write(self, change: Callable[[Connection], T], *, changed_id: str | None = None) -> T:
        """Run a change in the next batch."""
        job = QueryJob(asyncio.get_running_loop(), change, changed_id)
        self._queue.post(job)
        return cast("T", await job.future)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query after a delay."""
        await self._delay(READ_S)
        try:
            self._simulation.store_faults.check(self._simulation.clock.monotonic())
            return self._simulation.database.read(query)
        except sqlite3.OperationalError as problem:
            raise Unavailable(str(problem)) from problem

    async def check_disk_space(self) -> None:
        """Do nothing."""

    async def _serve(self) -> None:
        while batch := await self._queue.take(MAX_BATCH):
            execution = await run_batch_async(batch, self._transact, classify_sqlite_error)
            for job in execution.finish(self._queue):
                job.resolve()

    async def _transact(self, jobs: list[Job]) -> list[object]:
        faults, clock = self._simulation.store_faults, self._simulation.clock
        await self._delay(WRITE_S)
        faults.check(clock.monotonic())
        outcomes = self._transactions.run(jobs)
        self._simulation.stored.read(self._server)
        is_lost = faults.lost_commits > 0 and any(isinstance(job, AppendJob) for job in jobs)
        await self._delay(REPLY_S)
        if is_lost:
            faults.lost_commits -= 1
            self._simulation.trace.add("the reply of the database to {} is lost", self._server)
            raise sqlite3.OperationalError("simulated loss of a reply")
        return outcomes

    async def _delay(self, bounds: tuple[float, float]) -> None:
        low, high = bounds
        extra_s = self._simulation.store_faults.delay_s(self._simulation.clock.monotonic())
        await asyncio.sleep(low + (high - low) * self._rng.random() + extra_s * (0.5 + self._rng.random()))


class SimulatedStore(SqlStore):
    """Store of one server; no account changes during a simulation, so the polls for revocations read nothing."""

    async def erased_lately(self) -> list[str]:
        """Return no user."""
        return []

    async def accounts_of(self, user_ids: Sequence[str]) -> list[Account]:
        """Return no account, which means that none is revoked."""
        del user_ids
        return []
