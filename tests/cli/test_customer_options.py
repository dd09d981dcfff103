from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.support.server import ServerProcess


@pytest.fixture
def options(shared_server: ServerProcess, tmp_path: Path) -> list[str]:
    """Options of a new customer, without a session yet."""
    return ["--url", shared_server.url, "--data-dir", str(tmp_path)]


def test_name_on_a_kept_session_is_ignored_with_a_warning(chatws: RunCommand, options: list[str]) -> None:
    first = chatws("customer", "--name", "Ada", *options)
    assert ("connected as Ada" in first.stdout, first.stderr) == (True, "")
    again = chatws("customer", "--name", "Grace", *options)
    assert ("connected as Ada" in again.stdout, again.returncode) == (True, 0)
    assert "keeps the name 'Ada'" in again.stderr
    assert "--session-file" in again.stderr
    assert chatws("customer", "--name", "Ada", *options).stderr == ""


@pytest.mark.parametrize("command", [["send", "hello"], ["customer"]])
def test_conversation_that_joining_creates_is_announced_once(
    chatws: RunCommand, options: list[str], command: list[str]
) -> None:
    conversation_id = f"mistyped-{command[0]}"
    chatws("send", "first", *options)
    new = chatws(*command, "--conversation", conversation_id, *options)
    assert (new.returncode, f"you had no conversation {conversation_id}" in new.stderr) == (0, True)
    assert chatws(*command, "--conversation", conversation_id, *options).stderr == ""


@pytest.mark.parametrize("command", [["agent"], ["customer"], ["send", "hello"], ["tail"]])
@pytest.mark.parametrize("conversation_id", ["bad id!", "x" * 65, ""])
def test_malformed_conversation_id_is_explained_in_words(
    chatws: RunCommand, options: list[str], command: list[str], conversation_id: str
) -> None:
    done = chatws(*command, "--conversation", conversation_id, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{conversation_id!r} is not the id of a conversation; ids are 1-64 of A-Z a-z 0-9 _ -" in done.stderr
