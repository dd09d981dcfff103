"""Open SQLite database with its server lock, writer thread and reader threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from chatws.store import migrations, sqlite
from chatws.store.errors import SchemaMismatch, Unavailable
from chatws.store.interface import Draft, Stored
from chatws.store.lock import ServerLock
from chatws.store.read_pool import ReadPool
from chatws.store.schema import EPOCH, REVISION, meta
from chatws.store.writer import GroupCommitWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from chatws.protocol.entities import ConversationStatus
    from chatws.protocol.webhooks import WebhookKind

T = TypeVar("T")


class SqliteDatabase:
    """Database in a file, or in memory (path None) until it is closed."""

    def __init__(
        self,
        path: Path | None,
        *,
        server: bool,
        clock_ms: Callable[[], int],
        reopen_status: ConversationStatus,
        busy_timeout_ms: int,
        max_waiting: int,
        webhook_kinds: frozenset[WebhookKind] = frozenset(),
    ) -> None:
        self._path = path
        self._server = server
        self._clock_ms = clock_ms
        self._reopen_status: ConversationStatus = reopen_status
        self._max_waiting = max_waiting
        self._webhook_kinds = webhook_kinds
        self._lock = ServerLock(path) if path is not None and server else None
        self._write_engine = sqlite.make_engine(path, busy_timeout_ms=busy_timeout_ms)
        self._read_engine = sqlite.make_engine(path, busy_timeout_ms=busy_timeout_ms, writes=False)
        self._writer: GroupCommitWriter | None = None  # while open
        self._readers: ReadPool | None = None  # while open, unless in memory

    async def open(self) -> str:
        """Open the database and return its epoch; if cancelled, end once the transaction that has begun is finished."""
        preparing = asyncio.ensure_future(asyncio.to_thread(self._prepare))
        try:
            epoch = await asyncio.shield(preparing)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, and closing would release the lock in the middle of a migration.
            await asyncio.gather(preparing, return_exceptions=True)
            raise
        self._writer = GroupCommitWriter(
            self._write_engine,
            clock_ms=self._clock_ms,
            reopen_status=self._reopen_status,
            max_waiting=self._max_waiting,
            webhook_kinds=self._webhook_kinds,
        )
        # A database in memory is visible to one connection only, so its writer also reads.
        self._readers = None if self._path is None else ReadPool(self._read_engine)
        return epoch

    async def close(self) -> None:
        """Finish the queued requests, then close."""
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, None
        if readers is not None:
            await readers.close()
        if writer is not None:
            await writer.close()
        self._write_engine.dispose()
        self._read_engine.dispose()
        if self._lock is not None:
            self._lock.release()

    async def append(self, draft: Draft) -> Stored:
        """Append a message through the group commit."""
        return await self._require_writer().append(draft)

    async def write(self, change: Callable[[Connection], T], *, changed_id: str | None = None) -> T:
        """Run a change in the writer's next transaction."""
        return await self._require_writer().run(change, changed_id)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one snapshot."""
        if self._readers is None:
            return await self._require_writer().run(query)
        return await self._readers.run(query)

    async def check_disk_space(self) -> None:
        """Check the file system: SQLite reuses its log file, so a small write succeeds even on a full disk."""
        if self._path is not None:
            await asyncio.to_thread(sqlite.check_disk_space, self._path)

    def _require_writer(self) -> GroupCommitWriter:
        if self._writer is None:
            raise Unavailable("closed")
        return self._writer

    def _prepare(self) -> str:
        if self._path is not None:
            sqlite.make_private(self._path)
        if self._lock is not None:
            self._lock.acquire()
        try:
            return self._migrate_or_check(self._write_engine)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def _migrate_or_check(self, engine: Engine) -> str:
        with sqlite.opening(self._path), engine.begin() as connection:
            if self._server:
                sqlite.check_file(connection)
            found = migrations.revision(connection)
            # A command must not change the schema under a running server, so it only creates new databases.
            if found is not None and found != REVISION and not self._server:
                raise SchemaMismatch(found, REVISION)
            if found != REVISION:
                migrations.upgrade(connection)
            epoch: str = connection.execute(select(meta.c.value).where(meta.c.name == EPOCH)).scalar_one()
            return epoch
