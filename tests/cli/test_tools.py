from __future__ import annotations

import json
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import PipedCommand
from tests.support.preloaded import CHATWS
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import RunCommand


@pytest.fixture
def customer_options(shared_server: ServerProcess, tmp_path: Path) -> list[str]:
    """Options of a new customer."""
    session = shared_server.new_session()
    file = tmp_path / "session"
    file.write_text(session["sessionId"])
    return ["--url", shared_server.url, "--secret-file", str(file)]


@pytest.fixture
def tail_processes() -> Iterator[list[PipedCommand]]:
    opened: list[PipedCommand] = []
    yield opened
    for one in opened:
        one.close()


def agent_options(server: ServerProcess) -> list[str]:
    return ["--url", server.url, "--data-dir", str(server.data_dir), "--as", "agent"]


def test_send_waits_for_the_ack_and_prints_the_sequence_number(chatws: RunCommand, customer_options: list[str]) -> None:
    done = chatws("send", "hello", *customer_options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stored as message 1 (")
    ack = json.loads(chatws("send", "--json", *customer_options, stdin="two\nlines\n").stdout)
    assert (ack["success"], ack["seq"]) == (True, 2)


def test_send_fails_with_one_line_for_each_reason(
    chatws: RunCommand, customer_options: list[str], shared_server: ServerProcess, tmp_path: Path
) -> None:
    assert chatws("send", "  ", *customer_options).returncode == 4
    unreachable = chatws("send", "x", "--url", "http://127.0.0.1:9", "--data-dir", str(tmp_path))
    assert (unreachable.returncode, len(unreachable.stderr.splitlines())) == (3, 1)
    lost = chatws("send", "x", *agent_options(shared_server))
    assert (lost.returncode, "--conversation" in lost.stderr) == (2, True)


def test_send_without_an_ack_in_time_is_exit_code_1(chatws: RunCommand, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token")
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        url = f"http://127.0.0.1:{silent_server.getsockname()[1]}"
        options = ["--as", "agent", "--secret-file", str(file), "--conversation", "c1", "--timeout", "0.3"]
        done = chatws("send", "x", "--url", url, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ack within 0.3 s; it may have been stored nevertheless" in done.stderr


def test_tail_follows_a_conversation_as_lines(
    chatws: RunCommand, customer_options: list[str], tail_processes: list[PipedCommand]
) -> None:
    chatws("send", "earlier", *customer_options)
    tail_processes.append(PipedCommand("tail", "--as", "customer", *customer_options, "--count", "1"))
    tail_processes[0].stdout.wait_for("you: earlier", 60)
    chatws("send", "now", *customer_options)
    tail_processes[0].stdout.wait_for("you: now", 60)
    assert tail_processes[0].wait(60) == 0


def test_tail_follows_the_inbox_as_json_until_a_signal(
    chatws: RunCommand, customer_options: list[str], shared_server: ServerProcess, tail_processes: list[PipedCommand]
) -> None:
    tail_processes.append(PipedCommand("tail", *agent_options(shared_server), "--json"))
    tail_processes[0].stdout.wait_for("authenticated", 60)
    chatws("send", "for the inbox", *customer_options)
    found = tail_processes[0].stdout.wait_for('.*"conversation_updated".*for the inbox.*', 60)
    record: dict[str, Any] = json.loads(found[0])
    assert record["data"]["conversation"]["lastMessage"]["content"] == "for the inbox"
    tail_processes[0].send_signal(signal.SIGTERM)
    assert tail_processes[0].wait(60) == 143


def test_doctor_finds_nothing_wrong_before_the_first_start_and_changes_nothing(
    chatws: RunCommand, tmp_path: Path
) -> None:
    done = chatws("doctor", "--data-dir", str(tmp_path / "new"), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True)
    assert [finding["name"] for finding in report["findings"]] == [
        "settings",
        "port",
        "data directory",
        "database",
        "secret",
        "browser assets",
        "terminal",
    ]
    assert not (tmp_path / "new").exists()


def test_doctor_names_the_process_on_the_port_and_reads_an_open_database(
    chatws: RunCommand, shared_server: ServerProcess
) -> None:
    done = chatws("doctor", "--data-dir", str(shared_server.data_dir), "--port", str(shared_server.port))
    assert done.returncode == 0
    assert f"{shared_server.port} is in use by process {shared_server.pid}" in done.stdout
    assert "chatws.db, " in done.stdout


def test_doctor_reports_each_problem_with_advice(chatws: RunCommand, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "secret").write_text("short")
    (tmp_path / "chatws.db").write_text("not a database, " * 100)
    done = chatws("doctor", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    broken = [line for line in done.stdout.splitlines() if line.startswith("broken")]
    assert [line.split()[1] for line in broken] == ["data", "database", "secret"]
    assert all("; " in line for line in broken)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(chatws: RunCommand, shell: str) -> None:
    done = chatws("completion", shell)
    assert done.returncode == 0
    assert "_CHATWS_COMPLETE" in done.stdout


def test_tab_completes_commands_and_options() -> None:
    script = f"source <({CHATWS} completion bash); COMP_WORDS=(chatws do); COMP_CWORD=1; _chatws_completion {CHATWS}; "
    done = subprocess.run(
        ["bash", "-c", script + 'echo "${COMPREPLY[@]}"'], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["doctor"]
