"""Commands on the whole database: copy, prune, new-epoch, and ``user erase``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws.protocol.entities import User
from chatws.store import Draft
from chatws.store.factory import make_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import OpenTerminal, RunCommand
    from tests.support.postgres import PostgresServer

ANN = User(user_id="ann", user_name="Ann", role="customer")
DAY_MS = 86_400_000


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data directory whose database holds one resolved conversation of 1970."""
    asyncio.run(_fill(f"sqlite:///{tmp_path / 'chatws.db'}"))
    return tmp_path


async def _fill(url: str) -> None:
    store = make_store(url, server=True, clock_ms=lambda: DAY_MS)
    await store.open()
    await store.create_session("secret", ANN, DAY_MS, "room", "queued")
    await store.append(Draft("room", ANN, "hello"))
    await store.transition("room", version=1, status="resolved", assignee_id=None)
    await store.close()


def test_database_moves_to_postgres_and_is_used_there(
    chatws: RunCommand, data_dir: Path, postgres: PostgresServer
) -> None:
    env = {"CHATWS_DATABASE_URL": postgres.new_database()}
    done = chatws("db", "copy", "--data-dir", str(data_dir), env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == "copied 1 users, 1 conversations, 1 sessions, 1 messages, 0 notes, 0 read marks, 0 webhook deliveries\n"
    )
    done = chatws("db", "copy", "--data-dir", str(data_dir), env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the target is not empty" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = chatws("db", "prune", "--older-than", "1d", env=env)
    assert done.stdout == "deleted 1 conversations, 1 messages, 1 sessions, 1 customers\n"
    assert chatws("db", "new-epoch", env=env).stdout.startswith("epoch ")
    assert chatws("db", "upgrade", env=env).stdout.startswith("revision ")


def test_copy_draws_a_bar_for_each_table_on_a_terminal(
    open_terminal: OpenTerminal, data_dir: Path, postgres: PostgresServer
) -> None:
    source = f"sqlite:///{data_dir / 'chatws.db'}"
    terminal = open_terminal("db", "copy", "--from", source, "--to", postgres.new_database())
    terminal.wait_for("copied 1 users")
    assert "conversations" in terminal.text
    assert "1/1" in terminal.text


def test_dry_run_prints_the_counts_that_prune_deletes(chatws: RunCommand, data_dir: Path) -> None:
    prune = ("db", "prune", "--data-dir", str(data_dir), "--older-than", "90d")
    counts = "1 conversations, 1 messages, 1 sessions, 1 customers"
    assert chatws(*prune, "--dry-run").stdout == f"would delete {counts}\n"
    assert chatws(*prune).stdout == f"deleted {counts}\n"
    assert chatws(*prune).stdout == "deleted 0 conversations, 0 messages, 0 sessions, 0 customers\n"
    assert chatws(*prune[:-1], "soon").returncode == 2


def test_erase_prints_counts_and_an_unknown_user_is_an_error(chatws: RunCommand, data_dir: Path) -> None:
    done = chatws("user", "erase", "ann", "--data-dir", str(data_dir))
    assert done.stdout == "erased ann: 1 messages, 1 sessions\n"
    done = chatws("user", "erase", "unknown-user", "--data-dir", str(data_dir))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such account" in done.stderr
