from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from chatws.client import RequestRefused, RestClient
from tests.support.preloaded import CHATWS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import OpenTerminal, RunCommand
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


def test_accounts_are_added_changed_and_disabled_while_the_server_runs(
    chatws: RunCommand, server: ServerProcess
) -> None:
    def user(*arguments: str, stdin: str = "") -> str:
        done = chatws("user", *arguments, "--data-dir", str(server.data_dir), stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log_in(password: str) -> str:
        return asyncio.run(_log_in(server.url, password))

    alice = ["alice", "--name", "Alice", "--email", "alice@example.org"]
    user("add", *alice, "--password-stdin", stdin="first-pw\n")
    assert log_in("first-pw") == "Alice"
    token = asyncio.run(_token(server.url, "first-pw"))
    user("passwd", "alice", "--password-stdin", stdin="second-pw\n")
    with pytest.raises(RequestRefused):
        asyncio.run(_list_conversations(server.url, token))
    with pytest.raises(RequestRefused):
        log_in("first-pw")
    assert log_in("second-pw") == "Alice"
    user("disable", "alice")
    with pytest.raises(RequestRefused):
        log_in("second-pw")
    (listed,) = [json.loads(line) for line in user("list", "--json").splitlines()]
    assert (listed["userId"], listed["disabled"], listed["hasPassword"]) == ("alice", True, True)
    user("enable", "alice")
    assert log_in("second-pw") == "Alice"


async def _token(url: str, password: str) -> str:
    async with RestClient(url) as rest:
        return (await rest.login("alice@example.org", password)).token


async def _list_conversations(url: str, token: str) -> None:
    async with RestClient(url, token=token) as rest:
        await rest.conversations()


async def _log_in(url: str, password: str) -> str:
    async with RestClient(url) as rest:
        return (await rest.login("ALICE@example.org", password)).user.user_name


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (["add", "a b", "--email", "x@y"], "", "the id cannot be"),
        (["add", "alice", "--email", "x@y"], "", "use --password-stdin"),
        (["add", "alice", "--email", "x@y", "--password-stdin"], "short\n", "too short"),
    ],
)
def test_invalid_account_is_refused_in_one_line(
    chatws: RunCommand, tmp_path: Path, arguments: list[str], stdin: str, why: str
) -> None:
    done = chatws("user", *arguments, "--data-dir", str(tmp_path), stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_account_that_does_not_exist_is_reported_in_one_line(chatws: RunCommand, tmp_path: Path) -> None:
    data_dir = ("--data-dir", str(tmp_path))
    chatws("db", "upgrade", *data_dir)
    for words in (("passwd", "unknown-user", "--password-stdin"), ("disable", "unknown-user")):
        done = chatws("user", *words, *data_dir, stdin="long enough\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no such account" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_restored_backup_contains_the_conversation(
    chatws: RunCommand, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(data_dir=tmp_path / "d")
    data_dir = ["--data-dir", str(tmp_path / "d")]
    session_file = ["--session-file", str(tmp_path / "session"), "--url", server.url]
    chatws("customer", *session_file, stdin="kept\n")
    assert chatws("db", "backup", str(tmp_path / "copy.db"), *data_dir).returncode == 0
    chatws("customer", *session_file, stdin="lost\n")
    refused = chatws("db", "restore", str(tmp_path / "copy.db"), *data_dir)
    assert refused.returncode == 1
    assert f"process {server.pid}" in refused.stderr
    server.kill()
    assert chatws("db", "restore", str(tmp_path / "copy.db"), *data_dir).returncode == 0
    server.start()
    shown = chatws("customer", *session_file).stdout
    assert "you: kept" in shown
    assert "lost" not in shown


def test_existing_and_missing_backup_files_are_reported(chatws: RunCommand, tmp_path: Path) -> None:
    data_dir = ["--data-dir", str(tmp_path / "d")]
    chatws("db", "upgrade", *data_dir)
    copy, missing = tmp_path / "copy.db", tmp_path / "missing.db"
    assert chatws("db", "backup", str(copy), *data_dir).returncode == 0
    again = chatws("db", "backup", str(copy), *data_dir)
    assert (again.returncode, again.stderr) == (1, f"chatws: {copy} exists already; choose another name\n")
    absent = chatws("db", "restore", str(missing), *data_dir)
    assert (absent.returncode, absent.stderr) == (
        1,
        f"chatws: {missing} is not a complete backup: there is no such file\n",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"),
        ("user", "disable", "alice"),
        ("user", "erase", "alice"),
        ("export", "room"),
        ("grep", "word"),
        ("db", "prune", "--older-than", "90d"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_command_on_a_database_that_does_not_exist_creates_none(
    chatws: RunCommand, tmp_path: Path, words: tuple[str, ...]
) -> None:
    folder = tmp_path / "typo"
    done = chatws(*words, "--data-dir", str(folder))
    line = f"chatws: there is no database {folder / 'chatws.db'}; check --data-dir and --database-url\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert not folder.exists()


def test_password_that_is_not_utf8_text_is_a_usage_error(tmp_path: Path) -> None:
    words = ("user", "add", "alice", "--email", "a@b.example", "--password-stdin", "--data-dir", str(tmp_path))
    done = subprocess.run([CHATWS, *words], input=b"long\xffenough\n", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"chatws: an argument, the input or a file is not UTF-8 text\n"


def test_ctrl_c_at_the_password_is_an_interruption(open_terminal: OpenTerminal, tmp_path: Path) -> None:
    terminal = open_terminal("user", "add", "alice", "--email", "a@b.example", "--data-dir", str(tmp_path))
    terminal.wait_for("Password: ")
    code = None
    while code is None:
        terminal.signal(signal.SIGINT)
        # A signal between the prompt and the system call that reads has no effect until the call returns.
        with suppress(subprocess.TimeoutExpired):
            code = terminal.child.wait(timeout=5)
    assert code == 130
