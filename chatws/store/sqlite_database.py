"""One open SQLite database: its lock, its schema, its writer and its readers."""

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

T = TypeVar("T")


class SqliteDatabase:
    """A database in a file, or in memory (path None), where it lives as long as it is open."""

    def __init__(
        self,
        path: Path | None,
        *,
        server: bool,
        clock_ms: Callable[[], int],
        reopen_status: ConversationStatus,
        busy_timeout_ms: int,
        max_waiting: int,
    ) -> None:
        self._path = path
        self._server = server
        self._clock_ms = clock_ms
        self._reopen_status: ConversationStatus = reopen_status
        self._max_waiting = max_waiting
        self._lock = ServerLock(path) if path is not None and server else None
        self._write_engine = sqlite.make_engine(path, busy_timeout_ms=busy_timeout_ms)
        self._read_engine = sqlite.make_engine(path, busy_timeout_ms=busy_timeout_ms, writes=False)
        self._writer: GroupCommitWriter | None = None  # while open
        self._readers: ReadPool | None = None  # while open, unless in memory

    async def open(self) -> str:
        """Open the database and return its epoch."""
        epoch = await asyncio.to_thread(self._prepare)
        self._writer = GroupCommitWriter(
            self._write_engine,
            clock_ms=self._clock_ms,
            reopen_status=self._reopen_status,
            max_waiting=self._max_waiting,
        )
        # A database in memory belongs to one connection, so its writer reads too.
        self._readers = None if self._path is None else ReadPool(self._read_engine)
        return epoch

    async def close(self) -> None:
        """Finish what was handed over, then close."""
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
        return await self._open_writer().append(draft)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run a change in the writer's next transaction."""
        return await self._open_writer().run(change)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query in one snapshot."""
        if self._readers is None:
            return await self._open_writer().run(query)
        return await self._readers.run(query)

    async def check_room(self) -> None:
        """Look at the file system: the log is written over again, so that a small change fits on a full disk, too."""
        if self._path is not None:
            await asyncio.to_thread(sqlite.check_room, self._path)

    def _open_writer(self) -> GroupCommitWriter:
        if self._writer is None:
            raise Unavailable("closed")
        return self._writer

    def _prepare(self) -> str:
        if self._path is not None:
            sqlite.make_private(self._path)
        if self._lock is not None:
            self._lock.acquire()
        try:
            return self._ready_schema(self._write_engine)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def _ready_schema(self, engine: Engine) -> str:
        with sqlite.opening(self._path), engine.begin() as connection:
            if self._server:
                sqlite.check_file(connection)
            found = migrations.revision(connection)
            # A command must not change the schema under a running server, so it only makes new databases.
            if found is not None and found != REVISION and not self._server:
                raise SchemaMismatch(found, REVISION)
            if found != REVISION:
                migrations.upgrade(connection)
            epoch: str = connection.execute(select(meta.c.value).where(meta.c.name == EPOCH)).scalar_one()
            return epoch
