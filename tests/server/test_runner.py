"""Checks of the server process before it listens, and its connection handling."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientSession, http_parser

from chatws.server.runner import check_http_parser
from chatws.settings import Settings
from tests.conftest import StartServer
from tests.support.output import OutputLines
from tests.support.preloaded import PreloadedProcess
from tests.support.server import ServerProcess, environment_of_children

PURE_PYTHON = {"AIOHTTP_NO_EXTENSIONS": "1"}


def test_production_start_fails_without_the_c_parser(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--prod", "--set", "connections=100", env=PURE_PYTHON)
    with pytest.raises(AssertionError, match="aiohttp: has no C parser"):
        server.start()


def test_development_logs_a_missing_c_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    check_http_parser(Settings(data_dir=tmp_path))
    assert [record.getMessage() for record in caplog.records] == ["slow_http_parser"]


@contextmanager
def serving(
    limit: int, tmp_path: Path, *options: str, hard_limit: int | None = None
) -> Iterator[tuple[PreloadedProcess, OutputLines, OutputLines]]:
    """Run a server with a limit of open files; yield it, its standard output and standard error, and terminate it."""
    arguments = ["serve", "--port", "0", "--data-dir", str(tmp_path), *options]
    pipes = [os.pipe(), os.pipe()]
    stdout, stderr = (OutputLines(os.fdopen(end, encoding="utf-8")) for end, _ in pipes)
    limits = (limit, hard_limit or limit)
    with Path(os.devnull).open("rb") as stdin:
        streams = [stdin.fileno(), *(end for _, end in pipes)]
        server = PreloadedProcess(arguments, streams, environment_of_children(), open_files=limits)
    for _, end in pipes:
        os.close(end)
    try:
        yield server, stdout, stderr
    finally:
        server.terminate()
        server.wait()
        for lines in (stdout, stderr):
            lines.join()


def test_start_fails_if_the_file_limit_leaves_no_connection(tmp_path: Path) -> None:
    with serving(128, tmp_path, "--prod") as (server, stdout, log):
        assert server.wait(60) == 1
    assert stdout.text == ""
    assert log.text.strip() == "chatws: the limit of open files: is 128; the server needs 129; ulimit -Hn 129"


def test_production_lowers_its_connections_to_the_file_limit(tmp_path: Path) -> None:
    with serving(300, tmp_path, "--prod") as (_, stdout, log):
        log.wait_for("warning connections_lowered connections=172 openFiles=300", 30)
        stdout.wait_for("http://127.0.0.1", 30)


def test_slow_heads_leave_descriptors_for_health_checks_and_open_clients(tmp_path: Path) -> None:
    """400 connections that never complete a head, on a server with 300 descriptors."""
    with serving(300, tmp_path) as (_, stdout, log):
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
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    options = ("--set", "connections=300")
    with serving(200, tmp_path, *options, hard_limit=hard) as (server, stdout, _):
        stdout.wait_for("http://127.0.0.1", 30)
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
