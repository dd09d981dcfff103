from __future__ import annotations

import json
import re
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from chatws.client.core import session as core_session
from chatws.client.core.outbox import Outbox
from tests.support.commands import PipedCommand, run_chatws
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import OpenTerminal, RunCommand


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server shared by tests that neither stop it nor need an empty database; each test has its own customer."""
    # Agents join the conversation that changed last; a long limit prevents changes of conversations of other tests.
    process = ServerProcess(tmp_path_factory.mktemp("shared"), "--set", "assignee_offline_ms=3600000")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def customer(shared: ServerProcess, tmp_path: Path) -> list[str]:
    return customer_of(shared, tmp_path)


@pytest.fixture
def agent(shared: ServerProcess) -> list[str]:
    return agent_of(shared)


def customer_of(server: ServerProcess, tmp_path: Path) -> list[str]:
    return ["customer", "--url", server.url, "--session-file", str(tmp_path / "session"), "--name", "Grace"]


def agent_of(server: ServerProcess) -> list[str]:
    return ["agent", "--url", server.url, "--data-dir", str(server.data_dir)]


def records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def stored(output: str) -> list[str]:
    """List the messages shown as stored; those that took over a second were shown as queued before."""
    return ["".join(one) for one in re.findall(r"(?:you: (.*) ✓ stored|✓ stored: (.*))", output)]


def test_a_line_in_a_pipe_is_stored_and_acked_before_the_end(customer: list[str]) -> None:
    done = run_chatws(*customer, "--json", stdin="hello\n")
    assert (done.returncode, done.stderr) == (0, "")
    (ack,) = [record for record in records(done.stdout) if record["event"] == "ack"]
    assert (ack["command"], ack["data"]["seq"]) == ("send_message", 1)


def test_history_survives_a_restart_of_both_sides(
    chatws: RunCommand, server: ServerProcess, customer: list[str]
) -> None:
    chatws(*customer, stdin="first\nsecond\n")
    server.restart()
    done = chatws(*customer)
    assert done.returncode == 0
    assert [line.split("  ")[1] for line in done.stdout.splitlines() if "you: " in line] == [
        "you: first",
        "you: second",
    ]


def test_every_json_request_gets_an_ack_or_a_refusal(chatws: RunCommand, customer: list[str], agent: list[str]) -> None:
    chatws(*customer, stdin="question\n")
    requests = [
        {"content": "answer", "clientMessageId": "id-1"},
        {"command": "mark_read", "data": {"seq": 1}},
        {"command": "claim_conversation", "data": {"version": 1}},
        {"command": "release_conversation", "data": {"version": 1}},
        {"command": "mark_read", "data": {"seq": "x"}},
        {"command": "shutdown"},
        {"contents": "x"},
    ]
    done = chatws(*agent, "--json", stdin="\n".join(map(json.dumps, requests)))
    shown = records(done.stdout)
    acked = [record["command"] for record in shown if record["event"] == "ack"]
    refused = [(record["command"], record["error"]["code"]) for record in shown if record["event"] == "refused"]
    assert done.returncode == 1
    assert sorted(acked) == ["claim_conversation", "mark_read", "send_message"]
    assert sorted(refused) == [
        ("", "bad_request"),
        ("mark_read", "bad_request"),
        ("release_conversation", "conflict"),
        ("shutdown", "bad_request"),
    ]


def test_a_message_that_cannot_be_sent_fails_the_command(chatws: RunCommand, customer: list[str]) -> None:
    done = chatws(*customer, stdin="x" * 4_001 + "\nshort\n")
    assert done.returncode == 1
    assert "! not sent" in done.stdout
    assert stored(done.stdout) == ["short"]


def test_more_lines_than_the_outbox_holds_arrive_in_order(
    chatws: RunCommand, customer: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_session, "Outbox", lambda _: Outbox(5))
    lines = [f"line {number}" for number in range(15)]
    done = chatws(*customer, stdin="\n".join(lines))
    assert (done.returncode, stored(done.stdout)) == (0, lines)


@pytest.mark.parametrize("command", ["customer", "agent"])
def test_unreachable_server_is_exit_code_3(chatws: RunCommand, command: str, tmp_path: Path) -> None:
    done = chatws(command, "--url", "http://127.0.0.1:9", "--data-dir", str(tmp_path), env={"CHATWS_TOKEN": "t"})
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot connect to http://127.0.0.1:9" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_messages_are_sent_over_polling(chatws: RunCommand, customer: list[str]) -> None:
    done = chatws(*customer, "--transport", "polling", stdin="one\ntwo\n")
    assert done.returncode == 0
    assert stored(done.stdout) == ["one", "two"]


def test_invalid_server_address_is_a_usage_error(chatws: RunCommand, tmp_path: Path) -> None:
    for address in ("ws://127.0.0.1:3000", "localhost", "http://"):
        done = chatws("customer", "--url", address, "--data-dir", str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert repr(address) in done.stderr


def test_credentials_that_are_refused_are_exit_code_4(chatws: RunCommand, agent: list[str]) -> None:
    done = chatws(*agent, env={"CHATWS_TOKEN": "not a token"})
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 1


def test_conversation_of_another_customer_is_exit_code_4(
    chatws: RunCommand, customer: list[str], agent: list[str]
) -> None:
    chatws(*customer, stdin="mine\n")
    listed = chatws(*agent, stdin="/list\n").stdout
    conversation_id = listed.rpartition("[")[2].partition("]")[0]
    own = chatws("session", "create", *customer[1:3], "--json")
    env = {"CHATWS_SESSION": json.loads(own.stdout)["sessionId"]}
    done = chatws("customer", *customer[1:3], "--conversation", conversation_id, env=env)
    assert (done.returncode, "mine" in done.stdout) == (4, False)


def test_missing_token_is_reported_with_advice(chatws: RunCommand, shared: ServerProcess, tmp_path: Path) -> None:
    done = chatws("agent", "--url", shared.url, "--data-dir", str(tmp_path / "other"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "chatws token create" in done.stderr


def test_development_token_is_used_for_local_servers_only(chatws: RunCommand, shared: ServerProcess) -> None:
    done = chatws("agent", "--url", "http://192.0.2.1:3000", "--data-dir", str(shared.data_dir))
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no token" in done.stderr


def test_expired_saved_session_is_replaced(chatws: RunCommand, shared: ServerProcess, tmp_path: Path) -> None:
    options = ["customer", "--url", shared.url, "--data-dir", str(tmp_path / "home")]
    chatws(*options, stdin="before\n")
    (file,) = (tmp_path / "home" / "sessions").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("x" * 200)  # longer than any session id, so unknown also in development mode
    done = chatws(*options, stdin="after\n")
    assert done.returncode == 0
    assert "this is a new one" in done.stderr
    assert stored(done.stdout) == ["after"]


def test_agent_waits_for_the_first_conversation(server: ServerProcess, tmp_path: Path) -> None:
    customer, agent = customer_of(server, tmp_path), agent_of(server)
    with closing(PipedCommand(*agent)) as waiting:
        waiting.stdout.wait_for("waiting for the first one", 60)
        run_chatws(*customer, stdin="is anybody there?\n")
        waiting.stdout.wait_for(r"Grace \(customer\): is anybody there\?", 60)
        waiting.stdin.close()
        assert waiting.wait(timeout=60) == 0


def test_an_agent_whose_input_ends_does_not_wait_for_a_first_conversation(
    chatws: RunCommand, server: ServerProcess
) -> None:
    agent = agent_of(server)
    for stdin, code, output in (
        ("", 0, "waiting for the first one"),
        ("/list\n", 0, "there are no conversations yet"),
        ("hello\n", 1, "there is no conversation to write to"),
    ):
        done = chatws(*agent, stdin=stdin)
        assert (done.returncode, done.stderr) == (code, "")
        assert output in done.stdout
    done = chatws(*agent, "--json", "--wait", "0.01", stdin="hello\n")
    (*_, refused) = records(done.stdout)
    assert (done.returncode, refused["event"], refused["error"]["code"]) == (1, "refused", "not_joined")


def test_join_command_sets_the_conversation_of_the_next_line(
    chatws: RunCommand, customer: list[str], agent: list[str]
) -> None:
    session = json.loads(chatws("session", "create", *customer[1:3], "--json").stdout)
    chatws(*customer, stdin="in another conversation, which is newer\n")
    done = chatws(*agent, stdin=f"/join {session['conversationId']}\nhere\n")
    assert done.returncode == 0
    assert "here" in chatws("customer", *customer[1:3], env={"CHATWS_SESSION": session["sessionId"]}).stdout
    assert "here" not in chatws(*customer).stdout


def test_line_mode_simulates_connection_faults(chatws: RunCommand, customer: list[str]) -> None:
    done = chatws(*customer, stdin="/drop soon\n/drop 0.01\nwritten meanwhile\n/freeze 0.01\n")
    assert done.returncode == 0
    assert "give a number of seconds" in done.stdout
    assert "connection lost (cut on request)" in done.stdout
    assert "written meanwhile" in chatws(*customer).stdout
    found = chatws(*customer, "--history", "0", stdin="/search MEANWHILE\n/search nowhere\n/search\n").stdout
    assert re.search("found 'MEANWHILE':\n.*\n.*written meanwhile\n.*nothing found\n.*give a text", found)
    assert chatws(*customer, "--wait", "20", stdin="/expire\n").returncode == 4


def test_typing_messages_and_read_marks_are_exchanged_by_two_terminals(
    open_terminal: OpenTerminal, customer: list[str], agent: list[str]
) -> None:
    grace = open_terminal(*customer, "--plain")
    grace.wait_for("waiting for an agent")
    grace.press("hello\r")
    grace.wait_for("✓ stored")
    ada = open_terminal(*agent, "--plain")
    ada.wait_for(r"Grace \(customer\): hello")
    grace.press("Grüße")
    ada.wait_for("Grace is typing…")
    ada.wait_for("Grace stopped typing")
    grace.press(" 漢\x7f字\r")
    ada.wait_for(r"Grace \(customer\): Grüße 字")
    grace.wait_for("you: Grüße 字 ✓ stored|✓ stored: Grüße 字")
    grace.wait_for("✓ read by")
    ada.press("half")
    grace.wait_for("is typing…")
    grace.press("and more\r")
    ada.wait_for(r"Grace \(customer\): and more\r\n> half$")
    ada.press("\x15/note VIP\r")
    ada.wait_for(r"\[note of you\]: VIP")
    ada.press("/re\t")
    ada.wait_for(r"/release +release it to the queue")
    ada.press("s\t")
    ada.wait_for("> /resolve")
    ada.press("\x15my reply\r")
    grace.wait_for("Agent: my reply(.|\n)*Agent has joined the conversation")
    assert "VIP" not in grace.text
    ada.press("/quit\r")
    assert ada.wait() == 0
    grace.press("\x04")
    assert grace.wait() == 0
    assert grace.is_line_mode
    assert ada.is_line_mode


def test_a_message_typed_while_the_server_is_down_arrives_once(
    open_terminal: OpenTerminal, server: ServerProcess, tmp_path: Path
) -> None:
    customer, agent = customer_of(server, tmp_path), agent_of(server)
    grace = open_terminal(*customer, "--plain")
    grace.wait_for("waiting for an agent")
    grace.press("hello\r")
    grace.wait_for("✓ stored")
    ada = open_terminal(*agent, "--plain")
    ada.wait_for(r"Grace \(customer\): hello")
    server.kill()
    grace.wait_for(r"connection lost .* trying again \(attempt 1\)")
    grace.press("sent while away\r")
    grace.wait_for("… queued: sent while away")
    server.start()
    grace.wait_for("reconnected, nothing was missed")
    grace.wait_for("✓ stored: sent while away")
    grace.press("and after\r")
    ada.wait_for(r"Grace \(customer\): and after")
    assert ada.text.count("Grace (customer): sent while away") == 1
    assert ada.text.index("sent while away") < ada.text.index("and after")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 143, id="TERM"),
        pytest.param(signal.SIGINT, 130, id="INT"),
        # One handler serves all signals; the next test sends this one.
        pytest.param(signal.SIGHUP, 129, id="HUP", marks=pytest.mark.extended),
    ],
)
def test_the_terminal_is_restored_when_a_signal_ends_the_program(
    open_terminal: OpenTerminal, customer: list[str], number: signal.Signals, code: int
) -> None:
    grace = open_terminal(*customer, "--plain")
    grace.wait_for("waiting for an agent")
    grace.press("half typed")
    grace.wait_for("half typed")
    was_line_mode = grace.is_line_mode
    grace.signal(number)
    assert grace.wait() == code
    assert (was_line_mode, grace.is_line_mode) == (False, True)
    assert grace.raw.endswith("\x1b[?2004l")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGHUP, 129, id="HUP"),
        # As above.
        pytest.param(signal.SIGTERM, 143, id="TERM", marks=pytest.mark.extended),
        pytest.param(signal.SIGINT, 130, id="INT", marks=pytest.mark.extended),
    ],
)
def test_a_signal_ends_a_command_whose_input_stays_open(customer: list[str], number: signal.Signals, code: int) -> None:
    with closing(PipedCommand(*customer)) as grace:
        grace.stdout.wait_for("waiting for an agent", 60)
        grace.send_signal(number)
        assert grace.wait(timeout=60) == code
    assert grace.stderr.text == ""


def test_token_and_messages_are_read_from_one_pipe(
    chatws: RunCommand, shared: ServerProcess, customer: list[str]
) -> None:
    chatws(*customer, stdin="question\n")
    token = chatws("token", "create", "--sub", "alice", "--data-dir", str(shared.data_dir)).stdout.strip()
    done = run_chatws("agent", "--url", shared.url, "--token-file", "-", stdin=f"{token}\nanswer\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert stored(done.stdout) == ["answer"]
    assert "answer" in chatws(*customer).stdout


def test_remote_message_cannot_control_the_terminal(
    open_terminal: OpenTerminal, customer: list[str], agent: list[str]
) -> None:
    grace = open_terminal(*customer, "--plain", NO_COLOR="1")
    grace.wait_for("waiting for an agent")
    grace.press("hello\r")
    grace.wait_for("✓ stored")
    run_chatws(*agent, "--json", stdin=json.dumps({"content": "pay\u202e me\u2066\nnow"}))
    grace.wait_for(r"pay me\r\n {7}now")
    assert "\u202e" not in grace.raw
    assert "\x1b[2m" not in grace.raw


@pytest.mark.parametrize(
    ("kind", "sequence"),
    [
        ("osc9", "\x1b]9;Agent: behind you\a"),
        # The forms of the sequences are covered by the tests of `tui`.
        pytest.param("osc777", "\x1b]777;notify;chatws;Agent: behind you\a", marks=pytest.mark.extended),
    ],
)
def test_message_out_of_sight_is_announced_to_the_terminal(
    open_terminal: OpenTerminal, customer: list[str], agent: list[str], kind: str, sequence: str
) -> None:
    grace = open_terminal(*customer, "--notify", kind, TMUX="")
    grace.wait_for("waiting for an agent")
    grace.press("hello\r")
    grace.wait_for("✓")
    grace.press("\x1b[O")  # the window has lost the focus
    run_chatws(*agent, stdin="behind you\n")
    grace.wait_for(re.escape(sequence))
    grace.press("\x11")
    assert grace.wait() == 0
