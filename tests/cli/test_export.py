"""Commands on stored messages: export and grep."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from chatws.protocol.entities import User
from chatws.store import Draft
from chatws.store.factory import make_store
from chatws.store.queries import export

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.support.postgres import PostgresServer
    from tests.support.server import ServerProcess

ANN = User(user_id="ann", user_name="Ann", role="customer")
BOB = User(user_id="bob", user_name="Bob\x1b[31m", role="admin")
DAY_MS = 86_400_000


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    asyncio.run(_fill(f"sqlite:///{tmp_path / 'chatws.db'}"))
    return ["--data-dir", str(tmp_path)]


async def _fill(url: str) -> None:
    """Store an old conversation of 1970, and one with an old and a new message."""
    now_ms = DAY_MS
    store = make_store(url, server=True, clock_ms=lambda: now_ms)
    await store.open()
    await store.ensure_user(BOB)
    for conversation_id in ("old", "room"):
        await store.create_conversation(conversation_id, ANN, "queued")
        await store.append(Draft(conversation_id, ANN, "Where is my *parcel*?"))
    now_ms = 20_000 * DAY_MS
    await store.append(Draft("room", BOB, "First line\n1. <b>second</b>"))
    await store.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 2)


def places(output: str) -> list[tuple[str, int]]:
    return [(one["conversationId"], one["seq"]) for one in map(json.loads, output.splitlines())]


def test_export_prints_each_message_once_as_the_rest_api_does(chatws: RunCommand, options: list[str]) -> None:
    one = chatws("export", "room", *options)
    assert (one.returncode, one.stderr, places(one.stdout)) == (0, "", [("room", 1), ("room", 2)])
    assert json.loads(one.stdout.splitlines()[0])["sender"] == {"userId": "ann", "userName": "Ann", "role": "customer"}
    every = chatws("export", "--since", "1970-01-01", *options)
    assert places(every.stdout) == [("old", 1), ("room", 1), ("room", 2)]


def test_export_since_a_time_leaves_out_older_messages(chatws: RunCommand, options: list[str]) -> None:
    assert places(chatws("export", "--since", "2024-10-01", *options).stdout) == [("room", 2)]
    assert places(chatws("export", "room", "--since", "1970-01-02T12:00:00Z", *options).stdout) == [("room", 2)]
    assert chatws("export", "--since", "7d", *options).stdout == ""


def test_export_as_markdown_escapes_the_text_of_messages(chatws: RunCommand, options: list[str]) -> None:
    done = chatws("export", "room", "--format", "markdown", *options)
    assert done.stdout == (
        "## Conversation room\n\n"
        "**Ann** (customer), 1970-01-02T00:00:00.000Z\n\n> Where is my \\*parcel\\*?\n\n"
        "**Bob\\[31m** (admin), 2024-10-04T00:00:00.000Z\n\n> First line\\\n> 1\\. \\<b\\>second\\</b\\>\n\n"
    )


@pytest.mark.parametrize("arguments", [[], ["bad id!"], ["room", "--since", "soon"], ["--since", "9" * 30]])
def test_export_of_nothing_in_particular_is_a_usage_error(
    chatws: RunCommand, options: list[str], arguments: list[str]
) -> None:
    done = chatws("export", *arguments, *options)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_export_of_an_unknown_conversation_fails(chatws: RunCommand, options: list[str]) -> None:
    done = chatws("export", "unknown", *options)
    assert (done.returncode, done.stdout, "no such conversation" in done.stderr) == (1, "", True)


def test_grep_prints_the_matching_lines(chatws: RunCommand, options: list[str]) -> None:
    found = chatws("grep", "-i", "FIRST|second", *options)
    prefix = "room:2 2024-10-04T00:00:00.000Z Bob[31m: "
    assert (found.returncode, found.stdout) == (0, f"{prefix}First line\n{prefix}1. <b>second</b>\n")
    assert places(chatws("grep", "--json", "second", *options).stdout) == [("room", 2)]
    fixed = chatws("grep", "-F", "*parcel*", "--conversation", "old", *options)
    assert fixed.stdout == "old:1 1970-01-02T00:00:00.000Z Ann: Where is my *parcel*?\n"


def test_grep_without_a_match_is_exit_code_1(chatws: RunCommand, options: list[str]) -> None:
    assert chatws("grep", "FIRST", *options)[:2] == (1, "")
    assert chatws("grep", "parcel", "--since", "2024-10-01", *options)[:2] == (1, "")


def test_grep_with_an_invalid_expression_is_a_usage_error(chatws: RunCommand, options: list[str]) -> None:
    done = chatws("grep", "a(b", *options)
    assert (done.returncode, done.stdout, "--fixed-strings" in done.stderr) == (2, "", True)


def test_export_and_grep_read_the_database_of_a_running_server(
    chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path
) -> None:
    options = ["--data-dir", str(shared_server.data_dir)]
    sent = chatws("send", "to be exported", "--url", shared_server.url, "--data-dir", str(tmp_path))
    assert sent.returncode == 0
    (line,) = chatws("grep", "--json", "to be exported", *options).stdout.splitlines()
    conversation_id = json.loads(line)["conversationId"]
    assert chatws("export", conversation_id, *options).stdout == f"{line}\n"


def test_export_reads_postgres(chatws: RunCommand, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    asyncio.run(_fill(url))
    env = {"CHATWS_DATABASE_URL": url}
    assert places(chatws("export", "--since", "1970-01-01", env=env).stdout) == [("old", 1), ("room", 1), ("room", 2)]
    assert places(chatws("export", "--since", "2024-10-01", env=env).stdout) == [("room", 2)]
