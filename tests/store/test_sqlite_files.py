"""Database file: permissions, the server lock, and rejected files."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chatws.store import AlreadyRunning, BadUrl, Damaged, Draft, SchemaMismatch, Store, Unavailable, migrations, schema
from chatws.store.factory import make_store
from chatws.store.sqlite import make_engine, make_private
from tests.store.support import AGENT, ANN, all_messages, new_conversation
from tests.support.chat import until
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children

CHILD_TIMEOUT_S = 60.0
LAST = 99
"""Number of no statement: the process kills itself before the commit."""


async def test_file_and_its_logs_are_private(file_store: Store, path: Path) -> None:
    await new_conversation(file_store)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert modes == dict.fromkeys(["chat.db", "chat.db-wal", "chat.db-shm", "chat.db.lock"], 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_open_makes_an_existing_file_private(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    _open_and_close(path)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_every_commit_is_synced_to_a_write_ahead_log(path: Path) -> None:
    make_private(path)
    with make_engine(path).connect() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


async def test_second_server_gets_the_process_id_of_the_first(file_store: Store, path: Path) -> None:
    second = make_store(f"sqlite:///{path}", server=True)
    with pytest.raises(AlreadyRunning) as caught:
        await second.open()
    assert caught.value.pid == os.getpid()
    assert str(os.getpid()) in str(caught.value)
    await file_store.close()
    await second.open()
    await second.close()


async def test_cancelled_open_keeps_the_lock_until_its_transaction_has_ended(path: Path) -> None:
    make_private(path)
    first = make_store(f"sqlite:///{path}", server=True, busy_timeout_ms=60_000)
    second = make_store(f"sqlite:///{path}", server=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        opening = asyncio.create_task(first.open())
        await until(path.with_name("chat.db.lock").exists)
        opening.cancel()
        closed = asyncio.create_task(_close_after(opening, first))
        assert not (await asyncio.wait([closed], timeout=0.1))[0]
        with pytest.raises(AlreadyRunning):
            await second.open()
        other.execute("ROLLBACK")
        await closed
    await second.open()
    await second.close()


async def test_command_works_while_a_server_runs(file_store: Store, path: Path) -> None:
    command = make_store(f"sqlite:///{path}", server=False)
    await command.open()
    assert command.epoch == file_store.epoch
    await command.add_account(AGENT, None, "hash")
    await command.close()
    assert await file_store.account("agent") is not None


def test_killed_server_leaves_no_lock(path: Path) -> None:
    make_private(path)
    holding = "import sys, time; from pathlib import Path; from chatws.store.lock import ServerLock; "
    holding += "ServerLock(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", holding, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning) as caught:
            _open_and_close(path)
        assert caught.value.pid == holder.pid
        holder.kill()
    _open_and_close(path)


async def test_content_survives_a_restart_and_so_does_the_epoch(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    stored = await file_store.append(Draft(room, ANN, "hello"))
    await file_store.close()
    again = make_store(f"sqlite:///{path}", server=True)
    await again.open()
    assert again.epoch == file_store.epoch
    assert await all_messages(again, room) == [stored.message]
    await again.close()


def test_invalid_file_is_rejected_and_not_changed(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"my diary " * 1_000)
    with pytest.raises(Damaged, match="not a database"):
        _open_and_close(path)
    assert path.read_bytes() == b"my diary " * 1_000


def test_database_of_another_program_is_rejected(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE diary (entry TEXT)")
    with pytest.raises(Damaged, match="another program"):
        _open_and_close(path)


async def test_corrupt_page_is_detected_when_a_server_opens(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    for number in range(50):
        await file_store.append(Draft(room, ANN, f"{number} " * 500))
    await file_store.close()
    with path.open("r+b") as file:
        file.seek(-40 * 4096, os.SEEK_END)
        file.write(b"\xff" * 30 * 4096)
    with pytest.raises(Damaged):
        await make_store(f"sqlite:///{path}", server=True).open()


def test_database_of_a_newer_program_is_rejected(path: Path) -> None:
    _open_and_close(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="newer"):
        _open_and_close(path)


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "mysql://x", "nonsense", "sqlite:///a.db?mode=ro", "sqlite://host/a.db"]
)
def test_unsupported_url_is_rejected(url: str) -> None:
    with pytest.raises(BadUrl):
        make_store(url, server=True)


async def test_failure_to_create_the_directory_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        await make_store(f"sqlite:///{tmp_path}/file/chat.db", server=True).open()


def test_migrations_create_the_same_tables_as_a_new_database_has(path: Path) -> None:
    _open_and_close(path)
    migrated = path.with_name("migrated.db")
    _migrate(migrated, schema.REVISION)
    assert _definitions(migrated) == _definitions(path)
    with make_engine(path, writes=False).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        scripts = ScriptDirectory.from_config(migrations.alembic_config(connection))
    assert scripts.get_heads() == [schema.REVISION]


@pytest.mark.parametrize(("revision", "statement"), [(None, 1), (None, 8), (None, LAST), ("0001", 2), ("0001", LAST)])
def test_kill_9_in_a_migration_leaves_no_partial_change(path: Path, revision: str | None, statement: int) -> None:
    path.parent.mkdir()
    if revision is not None:
        _migrate(path, revision)
    before = _definitions(path)
    command = ("tests.store.migrating_child", f"sqlite:///{path}", str(statement))
    killed = run_preloaded(*command, env=environment_of_children(), timeout_s=CHILD_TIMEOUT_S)
    assert killed.returncode == -signal.SIGKILL
    assert _definitions(path) == before
    _open_and_close(path)
    complete = path.with_name("complete.db")
    _open_and_close(complete)
    assert _definitions(path) == _definitions(complete)


def _migrate(path: Path, revision: str) -> None:
    """Run the migrations up to a revision on a new database."""
    with make_engine(path).begin() as connection:
        migrations.migrate(connection, revision)


def _definitions(path: Path) -> tuple[list[str], list[str]]:
    """Return the statements that define tables and indexes, and the stored revisions."""
    with closing(sqlite3.connect(path)) as connection:
        statements = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql > ''")]
        has_revision = any("alembic_version" in sql for sql in statements)
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall() if has_revision else []
    return sorted(map(_ordered, statements)), [revision for (revision,) in revisions]


def _ordered(statement: str) -> str:
    """Return a statement with its columns and constraints in one order: ADD COLUMN appends after the constraints."""
    head, _, rest = statement.partition("(")
    body, _, tail = rest.rpartition(")")
    parts = sorted(part.strip() for part in re.split(r",(?![^()]*\))", body))
    return f"{head.strip()} ({', '.join(parts)}){tail}"


async def _close_after(opening: asyncio.Task[None], store: Store) -> None:
    """Close a store whose opening was cancelled, as a server does."""
    await asyncio.gather(opening, return_exceptions=True)
    await store.close()


def _open_and_close(path: Path) -> None:
    """Open and close a server store in a new event loop."""

    async def run() -> None:
        store = make_store(f"sqlite:///{path}", server=True)
        await store.open()
        await store.close()

    asyncio.run(run())
