from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_chatws

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunCommand
    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


def test_startup_message_has_the_address_first_and_then_commands(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(data_dir=tmp_path / "d")
    server.stdout.wait_for("development mode", 30)
    text = server.stdout.text
    assert server.stdout.lines[0] == f"listening on {server.url}"
    assert f"chatws agent --url {server.url} --data-dir {tmp_path / 'd'}" in text
    assert f"chatws customer --url {server.url}" in text
    assert f"test page  {server.url}/websocket-test.html" in text
    with urllib.request.urlopen(f"{server.url}/health", timeout=30) as response:  # noqa: S310 - our own
        assert json.load(response)["websocket"]["connections"] == 0


def test_printed_commands_name_an_existing_program(server: ServerProcess) -> None:
    text = server.stdout.text
    for command in re.findall(r"^  (.* (?:agent|customer) .*)$", text, re.MULTILINE):
        program = shlex.split(command)[0]
        assert shutil.which(program), command
    assert len(re.findall(r"^  .* (?:agent|customer) --url", text, re.MULTILINE)) == 2


def test_first_run_creates_secret_and_agent_once_and_reports_it(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(data_dir=tmp_path / "d")
    server.stdout.wait_for("first run: created a secret and the development agent", 30)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "d").iterdir()}
    assert modes["secret"] == modes["dev-agent.json"] == 0o600
    assert server.terminate() == 143
    server.start()
    server.stdout.wait_for("development mode", 30)
    assert "first run" not in server.stdout.text


def test_port_in_use_is_reported_with_process_and_advice(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    done = run_chatws("serve", "--port", str(server.port), "--data-dir", str(tmp_path / "second"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"chatws: port {server.port} is in use by process {server.pid}; "
        f"try --port {server.port + 1}, or --port 0 for any free port"
    )


def test_database_in_use_is_reported_with_process(start_server: StartServer) -> None:
    server = start_server()
    done = run_chatws("serve", "--port", "0", "--data-dir", str(server.data_dir))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"chatws: the database: {server.data_dir / 'chatws.db'} is in use by a server (process {server.pid}); "
        "stop it, or give this one its own database"
    )


def test_a_data_directory_that_cannot_be_created_is_named(chatws: RunCommand) -> None:
    done = chatws("serve", "--port", "0", "--data-dir", "/proc/no")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "chatws: the token key /proc/no/secret: cannot be created (No such file or directory); "
        "choose another data_dir\n"
    )


def test_a_database_that_cannot_be_created_is_named(chatws: RunCommand, tmp_path: Path) -> None:
    options = ["--data-dir", str(tmp_path), "--database-url", "sqlite:////proc/no/chatws.db"]
    done = chatws("serve", "--port", "0", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "chatws: the database: the store is unavailable: /proc/no/chatws.db: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--host", "192.0.2.1"], "development mode does not listen on 192.0.2.1"),
        (["--prod", "--cors-origin", "*"], "cors_origin * is refused in production"),
        (["--tls-cert", "cert.pem"], "TLS is incomplete"),
        (["--set", "jwt_algorithms=none"], "jwt_algorithms must not contain none"),
        (["--port", "70000"], "allowed is a whole number from 0 to 65535"),
        (
            ["--workers", "2"],
            "2 workers on SQLite: only one process may write the file; give --database-url postgresql://",
        ),
        (["--bot", "clever"], "setting bot (from option --bot) cannot be 'clever'; allowed is one of"),
    ],
)
def test_unsafe_or_wrong_settings_open_no_port(
    chatws: RunCommand, tmp_path: Path, options: list[str], why: str
) -> None:
    done = chatws("serve", "--port", "0", "--data-dir", str(tmp_path / "d"), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(("secret", "mode"), [("short", 0o600), ("x" * 40, 0o644)])
def test_a_weak_or_readable_secret_opens_no_port(chatws: RunCommand, tmp_path: Path, secret: str, mode: int) -> None:
    (tmp_path / "secret").write_text(secret)
    os.chmod(tmp_path / "secret", mode)  # noqa: PTH101 - the permissions under test
    done = chatws("serve", "--port", "0", "--data-dir", str(tmp_path), "--prod")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(tmp_path / "secret") in done.stderr


def test_production_on_a_public_address_without_tls_is_warned_about(start_server: StartServer) -> None:
    server = start_server("--prod", "--host", "0.0.0.0", "--set", "connections=100")  # noqa: S104 - the address under test
    server.stderr.wait_for("WARNING: 0.0.0.0 is served without TLS", 30)
    server.stdout.wait_for(r"\(umask 077; .*chatws token create .*> alice.token\)", 30)
    server.stdout.wait_for(f"chatws customer --url http://localhost:{server.port}", 30)
    assert "development mode" not in server.stdout.text
    assert not (server.data_dir / "dev-agent.json").exists()
