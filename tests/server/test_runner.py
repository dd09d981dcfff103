"""Checks of the server process before it listens, and its connection handling."""

from __future__ import annotations

import asyncio
import resource
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.server import CHATWS, ServerProcess, environment_of_children

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


def test_production_start_fails_below_the_needed_file_limit(tmp_path: Path) -> None:
    serve = shlex.join([str(CHATWS), "serve", "--prod", "--port", "0", "--data-dir", str(tmp_path)])
    command = ["bash", "-c", f"ulimit -n 300; exec {serve}"]
    env = environment_of_children()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "chatws: 20000 connections: the system allows 300 open files; "
        "raise it (ulimit -Hn 20128) or set connections=172\n"
    )


def test_file_limit_is_raised_to_the_needed_number(start_server: StartServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        server = start_server("--set", "connections=300")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (428, hard)


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
