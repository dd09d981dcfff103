from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.tmux import Tmux

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import ServerProcess
    from tests.support.tmux import TmuxWindow


INDICATOR_S = 3.0
MAX_REPETITIONS = 10


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    running = Tmux(tmp_path)
    yield running
    running.close()


def start_customer(window: TmuxWindow, server: ServerProcess, tmp_path: Path, name: str = "Grace", **env: str) -> None:
    options = ["--url", server.url, "--data-dir", str(tmp_path / "grace"), "--name", name]
    window.start("customer", *options, **env)


def start_agent(window: TmuxWindow, server: ServerProcess, tmp_path: Path, name: str) -> None:
    token = tmp_path / f"{name}.token"
    token.write_text(server.sign_token(name))
    options = ["--url", server.url, "--data-dir", str(tmp_path / name), "--token-file", str(token)]
    window.start("agent", *options)


def type_until_shown(writer: TmuxWindow, text: str, reader: TmuxWindow, indicator: str) -> None:
    """Type a text, and go on typing until the indicator is seen: it lasts 3 s, in which a busy machine may miss it."""
    writer.write(text)
    for _ in range(MAX_REPETITIONS):
        with suppress(AssertionError):
            reader.wait_for(indicator, timeout_s=INDICATOR_S)
            return
        writer.press("x", "BSpace")
    reader.wait_for(indicator)


def end(window: TmuxWindow, key: str, code: int) -> None:
    """Quit, and check that the normal screen is restored."""
    window.press(key)
    window.wait_for(f"exit code {code}")
    assert window.is_clean


def test_a_support_case_is_handled_by_keys_alone(server: ServerProcess, tmux: Tmux, tmp_path: Path) -> None:
    ada, bob, grace = tmux.open("ada"), tmux.open("bob"), tmux.open("grace", 80, 24)
    start_agent(ada, server, tmp_path, "ada")
    ada.wait_for("no open conversation yet, waiting for the first one")
    start_customer(grace, server, tmp_path)
    grace.wait_for("│ waiting for an agent")
    grace.paste("Where is my parcel?\nIt is number 7.")
    grace.wait_for(r"> Where is my parcel\?\n +It is number 7\.")
    grace.press("Enter")
    # List, open, reply.
    ada.wait_for(r"1 [●○] Grace(.|\n)*Grace \(customer\): Where is my parcel\?")
    grace.wait_for("✓✓ you: Where is my parcel")
    type_until_shown(ada, "Let me look", grace, "ada is typing…")
    grace.wait_until_absent("is typing")
    ada.press("Enter")
    grace.wait_for(r"ada \(agent\): Let me look")
    ada.wait_for("✓✓ you: Let me look")
    # The first reply has claimed it.
    grace.wait_for("ada has joined the conversation(.|\n)*claimed by ada")
    ada.wait_for("you have claimed the conversation")
    start_agent(bob, server, tmp_path, "bob")
    bob.wait_for("Grace, claimed by ada")
    bob.press("F2")
    bob.wait_for("that did not work: The conversation has changed")
    # Offline, queued, back.
    server.kill()
    grace.wait_for(r"○ reconnecting .*\(try \d+\)")
    grace.write("Are you there?")
    grace.press("Enter")
    grace.wait_for("…  you: Are you there")
    grace.wait_for("1 queued")
    server.start()
    ada.wait_for("Are you there")
    grace.wait_for("✓✓? +you: Are you there")
    assert ada.text.count(": Are you there?") == 1
    # Narrow and back.
    ada.resize(40, 12)
    ada.wait_until_absent("open: 1")
    ada.wait_for(r"Are you\n +there\?")
    ada.resize(110, 30)
    ada.wait_for("open: 1")
    # Resolve, reopen.
    ada.press("F4")
    grace.wait_for("the conversation was resolved; write to reopen it")
    grace.write("One more thing")
    grace.press("Enter")
    ada.wait_for(r"Grace \(customer\): One more thing")
    for window, key, code in ((ada, "C-q", 0), (bob, "C-c", 130), (grace, "C-q", 0)):
        end(window, key, code)


def test_alt_keys_control_keys_and_the_editor_arrive_through_tmux(
    server: ServerProcess, tmux: Tmux, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "from the editor" > "$1"\n')
    editor.chmod(0o700)
    grace = tmux.open("grace")
    start_customer(grace, server, tmp_path, EDITOR=str(editor), PAGER="cat")
    grace.wait_for("│ waiting for an agent")
    grace.write("a")
    grace.press("M-Enter")
    grace.write("b")
    grace.press("C-j")
    grace.write("c")
    grace.wait_for(r"> a\n +b\n +c")
    grace.press("Enter")
    grace.wait_for(r"you: a\n +b\n +c")
    grace.press("C-e")
    grace.wait_for("> from the editor")
    grace.press("Enter")
    grace.wait_for("✓.*you: from the editor")
    grace.press("F1")
    grace.wait_for("write the message in")
    grace.press("Escape")
    grace.wait_until_absent("write the message in")
    end(grace, "C-q", 0)


@pytest.mark.parametrize(
    ("number", "code"),
    # A test of the line mode sends both signals, and another one in this file presses Ctrl-C.
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.extended)],
)
def test_signals_leave_a_clean_terminal_and_their_exit_code(
    shared_server: ServerProcess, tmux: Tmux, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    grace = tmux.open("grace")
    start_customer(grace, shared_server, tmp_path)
    grace.wait_for("│ waiting for an agent")
    grace.signal(number)
    grace.wait_for(f"exit code {code}")
    assert grace.is_clean


def test_unreachable_server_refused_token_and_expired_session_end_in_one_line(
    shared_server: ServerProcess, tmux: Tmux, tmp_path: Path
) -> None:
    window = tmux.open("one", 160, 24)
    token = tmp_path / "token"
    token.write_text("not-a-token")
    window.start("agent", "--url", "http://127.0.0.1:9", "--token-file", str(token))
    window.wait_for("chatws: cannot connect to http://127.0.0.1:9(.|\n)*exit code 3")
    window.start("agent", "--url", shared_server.url, "--token-file", str(token))
    window.wait_for("chatws: http://127.0.0.1:[0-9]+ refused(.|\n)*exit code 4")
    assert "not-a-token" not in window.text
    start_customer(window, shared_server, tmp_path)
    window.wait_for("│ waiting for an agent")
    window.write("/expire")
    window.press("Enter")
    window.wait_for("chatws: the server ended the connection: session_expired.*(.|\n)*exit code 4")
    assert window.is_clean


def test_the_demo_shows_both_sides_of_one_conversation(tmux: Tmux) -> None:
    window = tmux.open("demo", 140, 24)
    window.start("demo")
    window.wait_for("Tab switches sides")
    window.wait_for("with Grace|Grace, queued")
    type_until_shown(window, "hello agent", window, "Grace is typing…")
    window.press("Enter")
    window.wait_for("✓✓ you: hello agent")
    window.wait_for(r"│.*Grace \(customer\): hello agent")
    window.press("Tab")
    window.write("hello customer")
    window.press("Enter")
    window.wait_for(r"Ada \(agent\): hello customer")
    window.wait_for("│.*✓✓ you: hello customer")
    window.write("/drop 1")
    window.press("Enter")
    window.wait_for("connection lost(.|\n)*reconnected; nothing was lost")
    end(window, "C-q", 0)


def test_a_closed_window_ends_the_program(shared_server: ServerProcess, tmux: Tmux, tmp_path: Path) -> None:
    grace = tmux.open("grace")
    start_customer(grace, shared_server, tmp_path)
    grace.wait_for("│ waiting for an agent")
    child = grace.child
    grace.close()
    grace.wait_for_exit(child)


@pytest.mark.parametrize("setting", ["TERM=dumb", "LINES=24"])
def test_a_dumb_terminal_gets_lines_and_a_usual_one_the_full_screen(
    shared_server: ServerProcess, tmux: Tmux, tmp_path: Path, setting: str
) -> None:
    grace = tmux.open("grace")
    name, _, value = setting.partition("=")
    start_customer(grace, shared_server, tmp_path, **{name: value})
    if setting == "TERM=dumb":
        grace.wait_for("connected as Grace; /help lists the commands")
        assert grace.is_clean
        grace.press("C-d")
        grace.wait_for("exit code 0")
    else:
        grace.wait_for("│ waiting for an agent")
        assert not grace.is_clean
        end(grace, "C-q", 0)
        start_customer(grace, shared_server, tmp_path, name="Ada")
        grace.wait_for("│ waiting for an agent │ Grace")
        grace.wait_for("--name is ignored: this session keeps the name 'Grace'")
        assert not grace.is_clean
        end(grace, "C-q", 0)
