"""PostgreSQL server for tests; tests can stop, freeze and kill it, and create databases."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from tests.support.ports import free_port
from tests.support.tools import skip_if_missing
from tools.services.postgres import INITDB_OPTIONS, PostgresProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_TEMPLATES: Final = Path(__file__).parent.parent.parent / ".pytest_cache" / "postgres"
"""Data directories to copy, because ``initdb`` takes a second of processor time: for each version and user one."""

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

    def _create_cluster(self) -> None:
        initdb = (self._programs / "initdb").stat()
        template = _TEMPLATES / " ".join((*INITDB_OPTIONS, str(initdb.st_mtime_ns), str(os.geteuid())))
        _TEMPLATES.mkdir(parents=True, exist_ok=True)
        with (_TEMPLATES / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                super()._create_cluster()
                unfinished = _TEMPLATES / "unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                _copy(self._data, unfinished)
                unfinished.rename(template)
                return
        _copy(template, self._data)

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


def _copy(source: Path, target: Path) -> None:
    """Copy a directory with the owners and modes of its files."""
    subprocess.run(["cp", "--archive", str(source), str(target)], check=True)
