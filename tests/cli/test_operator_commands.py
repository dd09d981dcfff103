"""Commands of an operator on a running server: connections, kick and trace."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.support.commands import PipedCommand

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.support.server import ServerProcess


def test_operator_finds_a_customer_and_kicks_them(
    chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path
) -> None:
    session = shared_server.new_session()
    (tmp_path / "session").write_text(session["sessionId"])
    command = ["tail", "--as", "customer", "--url", shared_server.url, "--secret-file", str(tmp_path / "session")]
    child = PipedCommand(*command)
    child.stdout.wait_for("conversation", 60)
    access = ["--url", shared_server.url, "--data-dir", str(shared_server.data_dir)]
    shown = chatws("connections", "--conversation", session["conversationId"], *access)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.split()[:7] == ["CONNECTION", "USER", "NAME", "ROLE", "ADDRESS", "SINCE", "CONVERSATIONS"]
    assert session["userId"] in shown.stdout
    (line,) = chatws("connections", "--user", session["userId"], "--json", *access).stdout.splitlines()
    assert json.loads(line)["conversations"] == [session["conversationId"]]
    kicked = chatws("kick", session["userId"], *access)
    assert (kicked.returncode, kicked.stdout) == (0, "connections closed on this server: 1\n")
    assert child.wait(timeout=60) == 4
    child.close()
    assert chatws("connections", "--user", session["userId"], "--json", *access).stdout == ""


def test_token_of_an_agent_is_refused_and_one_of_an_operator_accepted(
    chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path
) -> None:
    data_dir = ["--data-dir", str(shared_server.data_dir)]
    for options, code in (([], 4), (["--operator"], 0)):
        token = chatws("token", "create", "--sub", "alice", *options, *data_dir).stdout.strip()
        remote = ["--url", shared_server.url, "--data-dir", str(tmp_path)]
        done = chatws("connections", *remote, env={"CHATWS_TOKEN": token})
        assert done.returncode == code, done.stderr
        assert ("An operator's token is required; create one with" in done.stderr) == (code == 4)


def test_kick_without_a_target_or_with_a_malformed_id_is_a_usage_error(chatws: RunCommand) -> None:
    assert chatws("kick").returncode == 2
    assert chatws("kick", "alice", "--connection", "x").returncode == 2
    assert "is not the id of a user" in chatws("kick", "a b").stderr


def test_trace_shows_what_a_customer_sends_without_its_text(
    chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path
) -> None:
    session = shared_server.new_session()
    (tmp_path / "session").write_text(session["sessionId"])
    access = ["--url", shared_server.url, "--data-dir", str(shared_server.data_dir)]
    for target in (session["userId"], session["conversationId"]):
        child = PipedCommand("trace", target, *access)
        child.stderr.wait_for(f"tracing .*{target}", 60)
        chatws("send", "private", "--url", shared_server.url, "--secret-file", str(tmp_path / "session"))
        child.stdout.wait_for(rf".*{session['userId']}  ->  send_message  \d+ B  [0-9.]+ ms", 60)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
        child.close()
        assert "private" not in child.stdout.text


def test_trace_as_an_agent_is_refused(chatws: RunCommand, shared_server: ServerProcess, tmp_path: Path) -> None:
    env = {"CHATWS_TOKEN": shared_server.sign_token("alice")}
    done = chatws("trace", "bob", "--url", shared_server.url, "--data-dir", str(tmp_path), env=env)
    assert (done.returncode, done.stdout, "An operator's token is required" in done.stderr) == (4, "", True)
