"""Start of a server whose PostgreSQL does not answer yet, or never will."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_chatws
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG_TIMEOUT_S = 30.0
LONG_WAIT = ("--set", "database_wait_s=600")
"""Longer than the time limit of a test: one that waits to the end fails."""


@pytest.fixture
def waiting_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Server whose database is on a port where nothing listens yet."""
    url = f"postgresql://chat:hush-hush@127.0.0.1:{free_port()}/postgres"
    server = ServerProcess(tmp_path, "--database-url", url, *LONG_WAIT)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """PostgreSQL that a test may stop, with a user who needs a password."""
    postgres = PostgresServer()
    try:
        postgres.require_password("guarded")
        postgres.start()
        yield postgres
    finally:
        postgres.close()


def test_server_starts_when_postgresql_starts_later(own_postgres: PostgresServer, tmp_path: Path) -> None:
    postgres = own_postgres
    postgres.stop()
    server = ServerProcess(tmp_path, "--database-url", postgres.url(), *LONG_WAIT)
    try:
        server.begin()
        server.stderr.wait_for(rf"waiting_for_database address=127\.0\.0\.1:{postgres.port} ", LOG_TIMEOUT_S)
        postgres.start()
        server.wait_listening()
        assert server.new_session()["userId"]
        server.stderr.wait_for(rf"info database_reached address=127\.0\.0\.1:{postgres.port} ", LOG_TIMEOUT_S)
    finally:
        server.stop()


def test_wait_is_logged_at_growing_intervals_without_password(waiting_server: ServerProcess) -> None:
    waiting_server.begin()
    after_3_s = waiting_server.stderr.wait_for(r"waitedS=([3-9]|\d\d)", LOG_TIMEOUT_S)
    assert waiting_server.terminate() == 143
    lines = [line for line in waiting_server.stderr.lines if "waiting_for_database" in line]
    assert "Connection refused" in lines[0]
    assert lines.index(after_3_s.string) <= 2, "more lines than at 0, 1 and 3 s"
    assert "hush-hush" not in waiting_server.stderr.text


def test_sigterm_ends_a_server_that_waits_for_a_silent_host(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://chat@127.0.0.1:{silent.getsockname()[1]}/postgres"
        server = ServerProcess(tmp_path, "--database-url", url, *LONG_WAIT)
        try:
            server.begin()
            # During the first attempt, which is given up after 4 s.
            server.stderr.wait_for("waiting_for_database .*no reply yet", LOG_TIMEOUT_S)
            assert server.terminate() == 143
            assert "Traceback" not in server.stderr.text
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("user", "database", "advice"),
    [
        ("guarded:hush-hush", "postgres", "password authentication failed"),
        ("stranger", "postgres", "check the user and the password"),
        ("chat", "missing", "create it with 'createdb'"),
    ],
)
def test_wrong_credentials_or_missing_database_end_the_start_at_once(
    own_postgres: PostgresServer, tmp_path: Path, user: str, database: str, advice: str
) -> None:
    url = f"postgresql://{user}@127.0.0.1:{own_postgres.port}/{database}"
    done = run_chatws("serve", "--port", "0", "--data-dir", str(tmp_path), "--database-url", url, *LONG_WAIT)
    assert done.returncode == 1
    assert advice in done.stderr
    assert "waiting_for_database" not in done.stderr
    assert "hush-hush" not in done.stderr
