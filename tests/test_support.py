from __future__ import annotations

import asyncio
import json
import re
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import free_port
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children
from tests.support.tcp_relay import TcpRelay
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer
    from tests.support.node import NodeRunner
    from tests.support.server import ServerProcess


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def user_of(server: ServerProcess, session_id: str) -> str:
    request = urllib.request.Request(f"{server.url}/api/sessions/current", headers={"X-Session-Id": session_id})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
        user_id: str = json.load(response)["userId"]
    return user_id


def test_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install no-such-program"):
        require_tool("no-such-program", "apt install no-such-program")


def test_missing_program_skips_the_test_with_an_install_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt install no-such-program"):
        require_tool("no-such-program", "apt install no-such-program")


def test_killed_server_restarts_on_its_port_with_its_data(server: ServerProcess) -> None:
    port, first_pid, session = server.port, server.pid, server.new_session()
    server.kill()
    assert not is_listening(port)
    server.start()
    assert server.port == port
    assert server.pid != first_pid
    assert user_of(server, session["sessionId"]) == session["userId"]


def test_terminated_server_releases_its_port(server: ServerProcess) -> None:
    server.terminate()
    assert not is_listening(server.port)


def test_preloaded_command_has_its_own_folder_environment_streams_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "chatws.toml").write_text("port = 4321\n")
    env = environment_of_children()
    shown = run_preloaded("config", "show", "--config", "chatws.toml", env=env, timeout_s=60, folder=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"^port +4321 ", shown.stdout, re.MULTILINE)
    env = {**env, "CHATWS_PORT": "nonsense"}
    failed = run_preloaded("config", "show", env=env, timeout_s=60, folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "nonsense" in failed.stderr


def test_failed_start_raises_with_the_output(start_server: StartServer) -> None:
    with pytest.raises(AssertionError, match="no-such-option"):
        start_server("--no-such-option")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_official_client_connects_and_is_rejected(
    shared_server: ServerProcess, node: NodeRunner, transport: str
) -> None:
    session = json.dumps({"sessionId": shared_server.new_session()["sessionId"]})
    accepted = await node.run("connect.mjs", shared_server.url, transport, session)
    assert accepted == [{"event": "connect", "transport": transport}]
    [rejected] = await node.run("connect.mjs", shared_server.url, transport, json.dumps({"token": "not-a-token"}))
    assert rejected["event"] == "connect_error"
    assert '"unauthorized"' in json.dumps(rejected["data"])


async def test_official_client_reports_a_refused_connection(node: NodeRunner) -> None:
    [failed] = await node.run("connect.mjs", f"http://127.0.0.1:{free_port()}", "websocket")
    assert failed["event"] == "connect_error"


@pytest.mark.parametrize("iterations", range(7))
async def test_relay_that_ends_while_it_accepts_leaves_no_socket_open(iterations: int) -> None:
    # If a socket is left, the collection of garbage after this file fails its last test.
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as target:
        relay = TcpRelay(target.sockets[0].getsockname()[1])
        await relay.restore()
        with socket.create_connection(("127.0.0.1", relay.port)):
            for _ in range(iterations):
                await asyncio.sleep(0)
            await relay.close()
