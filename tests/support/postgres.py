"""PostgreSQL server for tests; tests can stop, freeze and kill it, and create databases."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.support.ports import free_port
from tests.support.tools import skip_if_missing
from tools.services.postgres import PostgresProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_COMMIT_KEY = 1
_BLOCK_COMMITS = f"""
    CREATE OR REPLACE FUNCTION block_commit() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared({_COMMIT_KEY}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER block_commit AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION block_commit();
    SELECT pg_advisory_lock({_COMMIT_KEY})
"""
_UNBLOCK_COMMITS = f"SELECT pg_advisory_unlock({_COMMIT_KEY}); DROP TRIGGER block_commit ON messages"


class PostgresServer(PostgresProcess):
    """Server with a new database for each test; the calling test is skipped if PostgreSQL is missing."""

    def __init__(self) -> None:
        with skip_if_missing():
            super().__init__(free_port())
        self._numbers = itertools.count(1)

    def require_password(self, user: str) -> None:
        """Refuse connections of a user without the right password; call it before the start."""
        path = self._data / "pg_hba.conf"
        path.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{path.read_text()}")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all processes of the server: connections stay open, new ones are accepted, none gets a reply."""
        self.freeze()
        try:
            yield
        finally:
            self.unfreeze()

    @asynccontextmanager
    async def commits_held(self) -> AsyncIterator[None]:
        """Block the commit of transactions with messages; those of the store time out after 3 s."""
        connection: Any = await asyncpg.connect(self.url())
        try:
            await connection.execute(_BLOCK_COMMITS)
            yield
            await connection.execute(_UNBLOCK_COMMITS)
        finally:
            await connection.close()

    def new_database(self) -> str:
        """Return the URL of a new, empty schema, created in a tenth of the time of a database."""
        name = f"chat_{next(self._numbers)}"
        asyncio.run(self.execute(f"CREATE SCHEMA {name}"))
        return f"{self.url()}?search_path={name}"

    async def execute(self, statement: str, url: str | None = None) -> None:
        """Run a statement without a result."""
        connection: Any = await asyncpg.connect(url or self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
