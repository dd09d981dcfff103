"""PostgreSQL server for tests, on a free port; tests can stop, freeze and kill it."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "deadlock_timeout": "100ms",
    # Writes of a killed process are in the page cache, so only a power failure would make a difference.
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
}


_COMMIT_KEY = 1
_BLOCK_COMMITS = f"""
    CREATE OR REPLACE FUNCTION block_commit() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared({_COMMIT_KEY}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER block_commit AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION block_commit();
    SELECT pg_advisory_lock({_COMMIT_KEY})
"""
_UNBLOCK_COMMITS = f"SELECT pg_advisory_unlock({_COMMIT_KEY}); DROP TRIGGER block_commit ON messages"


class PostgresServer:
    """Server with its own data directory; a restart after ``stop`` or a kill keeps the data."""

    def __init__(self, *, durable: bool = False) -> None:
        self.port = free_port()
        self._settings = {**_SETTINGS, **({"fsync": "on", "full_page_writes": "on"} if durable else {})}
        self._programs = _find_programs()
        self._directory = Path(tempfile.mkdtemp(prefix="chatws-postgres-"))
        self._data = self._directory / "data"
        self._process: subprocess.Popen[bytes] | None = None  # while it runs
        self._numbers = itertools.count(1)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        self._run("initdb", "--pgdata", str(self._data), "--username=chat", "--auth=trust", "--no-sync", "--locale=C")

    @property
    def pid(self) -> int:
        assert self._process is not None, "PostgreSQL is not running"
        return self._process.pid

    def url(self) -> str:
        """Return the URL of the default database, which stays empty."""
        return f"postgresql://chat@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        log_path = self._directory / "log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                **_as_account(),
            )
        ready = [str(self._programs / "pg_isready"), "--host=127.0.0.1", f"--port={self.port}", "--quiet"]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None:
                pytest.fail(f"PostgreSQL did not start:\n{log_path.read_text(errors='replace')[-2_000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT closes connections and flushes to disk, SIGQUIT acts like a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(60)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all processes of the server: connections stay open, new ones are accepted, none gets a reply."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

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

    def _pids(self) -> list[int]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        return [self._process.pid, *(int(pid) for pid in children.split())]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd=self._directory, capture_output=True, check=False, **_as_account())
        if done.returncode != 0:
            pytest.fail(f"{program} failed:\n{done.stderr.decode(errors='replace')}")


def _find_programs() -> Path:
    """Return the directory of ``postgres``, which is not on the PATH on Debian; if missing, skip, or fail in CI."""
    found: Sequence[Path] = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    path = shutil.which("postgres") or (str(found[-1]) if found else None)
    if path is not None:
        return Path(path).resolve().parent
    reason = "postgres is not installed (apt install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _as_account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": []}
