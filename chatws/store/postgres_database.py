"""Open PostgreSQL database, shared with other servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar, cast

from sqlalchemy import BigInteger, bindparam, func, select

from chatws.store import migrations
from chatws.store.errors import SchemaMismatch, StoreError, Unavailable
from chatws.store.interface import Draft, Stored
from chatws.store.job_queue import AppendJob, QueryJob
from chatws.store.postgres import PostgresConnection, dsn_of, run_once
from chatws.store.postgres_pool import WorkerQueue
from chatws.store.queries.append import append_batch
from chatws.store.schema import EPOCH, REVISION, meta
from chatws.store.writer import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from chatws.protocol.entities import ConversationStatus
    from chatws.protocol.webhooks import WebhookKind

T = TypeVar("T")

READ_CONNECTIONS = 4
CHANGE_CONNECTIONS = 4
"""For writes other than messages; with one connection for messages a server uses at most nine."""

MIGRATION_LOCK = 0x63_68_61_74
"""Key of the advisory lock that serializes schema changes."""

_EPOCH = select(meta.c.value).where(meta.c.name == EPOCH)
_LOCK = select(func.pg_advisory_xact_lock(bindparam("key", MIGRATION_LOCK, BigInteger)))


class PostgresDatabase:
    """Database on a PostgreSQL server.

    One task writes the messages, many in one transaction, which first locks the rows of their conversations in the
    order of their ids: servers wait for each other without deadlocks. Each other change has its own transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        server: bool,
        clock_ms: Callable[[], int],
        reopen_status: ConversationStatus,
        timeout_s: float,
        max_waiting: int,
        webhook_kinds: frozenset[WebhookKind] = frozenset(),
    ) -> None:
        self._dsn = dsn_of(url)
        self._server = server
        self._clock_ms = clock_ms
        self._reopen_status: ConversationStatus = reopen_status
        self._timeout_s = timeout_s
        self._max_waiting = max_waiting
        self._webhook_kinds = webhook_kinds
        self._appends: WorkerQueue[AppendJob] | None = None  # while open, like the next two
        self._changes: WorkerQueue[QueryJob] | None = None
        self._reads: WorkerQueue[QueryJob] | None = None

    async def open(self) -> str:
        """Open the database and return its epoch."""
        epoch = await self._prepare()
        self._appends = WorkerQueue(
            self._connections(1), self._append_all, batch_size=MAX_BATCH, max_waiting=self._max_waiting
        )
        self._changes = WorkerQueue(
            self._connections(CHANGE_CONNECTIONS), _run, batch_size=1, max_waiting=self._max_waiting
        )
        readers = self._connections(READ_CONNECTIONS, writes=False)
        self._reads = WorkerQueue(readers, _run, batch_size=1, max_waiting=self._max_waiting)
        return epoch

    async def close(self) -> None:
        """Finish the queued requests, then close."""
        queues = [queue for queue in (self._reads, self._changes, self._appends) if queue is not None]
        await asyncio.gather(*(queue.close() for queue in queues))

    async def append(self, draft: Draft) -> Stored:
        """Append a message through the group commit."""
        job = AppendJob(asyncio.get_running_loop(), draft)
        _require_open(self._appends).post(job)
        return cast("Stored", await job.future)

    async def write(self, change: Callable[[Connection], T], *, changed_id: str | None = None) -> T:  # noqa: ARG002
        """Run a change in its own transaction; it is run again after a conflict with another transaction.

        ``changed_id`` is not needed: appends read every conversation, because other servers change it too.
        """
        job = QueryJob(asyncio.get_running_loop(), change)
        _require_open(self._changes).post(job)
        return cast("T", await job.future)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one snapshot."""
        job = QueryJob(asyncio.get_running_loop(), query)
        _require_open(self._reads).post(job)
        return cast("T", await job.future)

    async def check_disk_space(self) -> None:
        """Do nothing: PostgreSQL itself rejects every change when its disk is full."""

    def _connections(self, count: int, *, writes: bool = True) -> list[PostgresConnection]:
        return [PostgresConnection(self._dsn, writes=writes, timeout_s=self._timeout_s) for _ in range(count)]

    def _append_all(self, connection: Connection, jobs: list[AppendJob]) -> list[Stored | StoreError]:
        drafts = [job.draft for job in jobs]
        return append_batch(
            connection,
            drafts,
            now_ms=self._clock_ms(),
            reopen_status=self._reopen_status,
            webhook_kinds=self._webhook_kinds,
        )

    async def _prepare(self) -> str:
        found, epoch = await run_once(self._dsn, _read_state, timeout_s=self._timeout_s)
        # A command must not change the schema under a running server, so it only creates new databases.
        if found is not None and found != REVISION and not self._server:
            raise SchemaMismatch(found, REVISION)
        return await upgrade(self._dsn) if epoch is None or found != REVISION else epoch


async def upgrade(url: str) -> str:
    """Create the tables if needed, run the missing migrations and return the epoch; one server at a time does this.

    Raises:
        StoreUnusable: the operator has to act first.
    """
    return await run_once(url, _upgrade)


def _read_state(connection: Connection) -> tuple[str | None, str | None]:
    found = migrations.revision(connection)
    return found, None if found is None else connection.execute(_EPOCH).scalar_one_or_none()


def lock_schema(connection: Connection) -> None:
    """Lock the schema against changes by other servers until the transaction ends; wait while one holds the lock."""
    connection.execute(_LOCK)


def _upgrade(connection: Connection) -> str:
    lock_schema(connection)
    migrations.upgrade(connection)
    return str(connection.execute(_EPOCH).scalar_one())


def _run(connection: Connection, jobs: list[QueryJob]) -> list[object]:
    return [job.query(connection) for job in jobs]


def _require_open(queue: WorkerQueue[T] | None) -> WorkerQueue[T]:  # type: ignore[type-var]
    if queue is None:
        raise Unavailable("closed")
    return queue
