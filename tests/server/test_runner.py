"""Checks of the server process before it listens, and its connection handling."""

from __future__ import annotations

import asyncio
import resource
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.conftest import StartServer
from tests.support.output import OutputLines
from tests.support.preloaded import CHATWS
from tests.support.server import ServerProcess, environment_of_children

PURE_PYTHON = {"AIOHTTP_NO_EXTENSIONS": "1"}


def test_production_start_fails_without_the_c_parser(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--prod", "--set", "connections=100", env=PURE_PYTHON)
    with pytest.raises(AssertionError, match="aiohttp: has no C parser"):
        server.start()


def test_development_logs_a_missing_c_parser(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, env=PURE_PYTHON)
    server.start()
    try:
        server.stderr.wait_for("slow_http_parser", 30)
    finally:
        server.stop()


def with_file_limit(limit: int, tmp_path: Path, *options: str) -> list[str]:
    serve = shlex.join([str(CHATWS), "serve", "--port", "0", "--data-dir", str(tmp_path), *options])
    return ["bash", "-c", f"ulimit -n {limit}; exec {serve}"]


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[OutputLines, OutputLines]]:
    """Run a command; yield its standard output and standard error, and terminate it."""
    with subprocess.Popen(
        command, env=environment_of_children(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        output = OutputLines(server.stdout), OutputLines(server.stderr)
        try:
            yield output
        finally:
            server.terminate()
            server.wait()
            for lines in output:
                lines.join()  # before Popen closes the streams that they read


def test_start_fails_if_the_file_limit_leaves_no_connection(tmp_path: Path) -> None:
    command, env = with_file_limit(128, tmp_path, "--prod"), environment_of_children()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chatws: the limit of open files: is 128; the server needs 129; ulimit -Hn 129\n"


def test_production_lowers_its_connections_to_the_file_limit(tmp_path: Path) -> None:
    with serving(with_file_limit(300, tmp_path, "--prod")) as (stdout, log):
        log.wait_for("warning connections_lowered connections=172 openFiles=300", 30)
        stdout.wait_for("http://127.0.0.1", 30)


def test_slow_heads_leave_descriptors_for_health_checks_and_open_clients(tmp_path: Path) -> None:
    """400 connections that never complete a head, on a server with 300 descriptors."""
    with serving(with_file_limit(300, tmp_path)) as (stdout, log):
        port = int(stdout.wait_for(r"http://127\.0\.0\.1:(\d+)", 30)[1])
        asyncio.run(_stay_connected_beside_slow_heads(port))
        log.wait_for("http_connection_closed reason=evicted", 30)


async def _stay_connected_beside_slow_heads(port: int) -> None:
    url, slow = f"http://127.0.0.1:{port}", [socket.socket() for _ in range(400)]
    async with ClientSession() as http, http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as client:
        assert (await client.receive_str()).startswith("0{")
        try:
            for connection in slow:
                connection.connect(("127.0.0.1", port))
                connection.send(b"GET /health HTTP/1.1\r\nX-Slow: ")
            async with asyncio.timeout(30):
                for _ in range(10):
                    # A client of its own, so that no connection from before the flood is used again.
                    async with ClientSession() as new, new.get(f"{url}/health") as response:
                        assert response.status == HTTPStatus.OK
                await client.send_str("40")
                assert (await client.receive_str()).startswith("40")
        finally:
            for connection in slow:
                connection.close()


def test_file_limit_is_raised_to_the_needed_number(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    # With an environment, the program is executed by this process, and inherits its limit.
    server = ServerProcess(tmp_path, "--set", "connections=300", env={})
    try:
        server.start()
        assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (428, hard)
    finally:
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_rejected_request_with_incomplete_body_closes_its_connection(start_server: StartServer) -> None:
    """The response arrives at once, and the connection closes although the client neither sends nor closes."""
    server = await asyncio.to_thread(start_server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /socket.io/?EIO=4&transport=polling&sid=unknown HTTP/1.1\r\n"
        b"Host: localhost\r\nContent-Length: 60000\r\n\r\nxxxx"
    )
    async with asyncio.timeout(30):
        response = await reader.read()
    assert response.startswith(b"HTTP/1.1 400")
    writer.close()
