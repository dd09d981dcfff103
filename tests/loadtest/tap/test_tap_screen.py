"""The full screen of ``chatws tap`` in tmux, also 60 columns wide, and its state; 12 s."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.json import encode
from textual.widgets import DataTable

from chatws.exit_codes import ExitCode
from chatws_loadtest.tap.screen import TapScreen
from chatws_loadtest.tap.screen_state import MAX_CONNECTIONS, MAX_EVENTS, TapScreenState
from chatws_loadtest.tap.tap_records import TapRecord
from tests.loadtest.tap.test_tap_command import talk
from tests.support.chat import until
from tests.support.ports import free_port
from tests.support.tmux import Tmux

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import ServerProcess


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    running = Tmux(tmp_path)
    yield running
    running.close()


def test_screen_shows_pairs_pauses_and_filters(shared_server: ServerProcess, tmux: Tmux) -> None:
    window = tmux.open("tap", 60, 24)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    window.start("tap", shared_server.url, "--listen", str(port), "--rule", "duplicate message_received")
    window.wait_for(f"^127.0.0.1:{port}  0 open, 0 events, 0 flags")
    asyncio.run(talk(url, shared_server))
    window.wait_for(r"= +u1 ack of send_message ok r1 m1 seq")
    window.wait_for(r"! +u1 DUPLICATE")
    window.wait_for("Pause.*Filter.*Quit")
    assert all(len(line) <= 60 for line in window.text.splitlines())
    window.press("f")
    window.wait_until_absent("ack of send_message ok")
    window.press("f", "p")
    window.wait_for("PAUSED")
    asyncio.run(talk(url, shared_server))
    window.wait_for("2 flags")
    assert "u2 ack" not in window.text
    window.press("p", "/")
    window.wait_for("words of the lines")
    window.write("u2 ack")
    window.wait_for(r"= +u2 ack of send_message")
    assert "u1 ack" not in window.text
    window.press("Enter", "Up")
    window.wait_for("type=ack")
    # Without a pause, as a person types ahead while the machine is busy.
    window.press("Escape")
    window.wait_for("u1 ack of send_message")
    window.press("/", "p", "/", "q", "Enter", "q")
    window.wait_for("exit code 0")
    assert window.is_clean


async def test_short_screen_shows_events_in_place_of_a_detail() -> None:
    record = encode(TapRecord(t=1.0, type="out", c=1, event="typing_start", room="r1")).decode()
    line = "chatws tap: http://127.0.0.1:9 forwards"
    screen = TapScreen(["sh", "-c", f"echo '{line}' >&2; echo '{record}'; exec sleep 60"])
    async with screen.run_test(size=(30, 8)) as pilot:
        await until(lambda: screen.query_one("#events", DataTable).row_count == 1)
        await until(lambda: not screen.query_one("#detail").display and screen.query_one("#events").size.height >= 4)
        await pilot.resize_terminal(30, 24)
        await until(lambda: screen.query_one("#detail").display)


def test_screen_restores_the_terminal_when_a_signal_ends_it(shared_server: ServerProcess, tmux: Tmux) -> None:
    window = tmux.open("tap", 60, 24)
    window.start("tap", shared_server.url)
    window.wait_for("0 open, 0 events, 0 flags")
    window.press("/", "C-c")
    window.wait_for("exit code 130")
    assert window.is_clean
    window.start("tap", shared_server.url)
    window.wait_for("0 open, 0 events, 0 flags")
    window.signal(signal.SIGTERM)
    window.wait_for("exit code 143")
    assert window.is_clean


async def test_screen_ends_when_its_proxy_is_killed() -> None:
    screen = TapScreen(["sh", "-c", "echo 'chatws tap: http://127.0.0.1:9 forwards' >&2; kill -KILL $$"])
    async with screen.run_test() as pilot:
        await until(lambda: screen.return_value is not None)
        await pilot.pause()
    assert screen.return_value is ExitCode.FAILED
    assert screen.failure == "chatws tap: the proxy was killed (SIGKILL)"


def test_screen_of_a_port_in_use_ends_with_one_line(shared_server: ServerProcess, tmux: Tmux) -> None:
    window = tmux.open("tap", 100, 24)
    port = shared_server.url.rpartition(":")[2]
    window.start("tap", shared_server.url, "--listen", port)
    window.wait_for("exit code 2")
    assert f"chatws tap: port {port} of 127.0.0.1 cannot be used: Address already in use" in window.text
    assert window.is_clean


def test_state_is_bounded_and_prefers_open_connections() -> None:
    state = TapScreenState()
    state.apply(TapRecord(t=0, type="open", c=1, transport="websocket"))
    for number in range(2, 2 * MAX_CONNECTIONS):
        state.apply(TapRecord(t=0, type="open", c=number, transport="polling"))
        state.apply(TapRecord(t=0, type="close", c=number, by="client"))
    assert len(state.connections) == MAX_CONNECTIONS
    assert (state.open_connections, 1 in state.connections) == (1, True)
    assert len(state.shown()) == MAX_EVENTS


def test_pause_keeps_the_shown_records() -> None:
    state = TapScreenState()
    state.apply(TapRecord(t=0, type="out", c=1, event="first", message="m1"))
    state.toggle_pause()
    state.apply(TapRecord(t=1, type="flag", c=1, flag="hole", message="m1"))
    assert [record.event for record in state.shown()] == ["first"]
    assert (state.events, state.flags) == (1, 1)
    state.toggle_pause()
    state.toggle_flags()
    assert [record.flag for record in state.shown()] == ["hole"]
    assert any("first" in line for line in state.detail(state.shown()[0])[1:])
