"""What a server's process makes sure of before it listens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.server import ServerProcess

PURE_PYTHON = {"AIOHTTP_NO_EXTENSIONS": "1"}


def test_production_refuses_to_read_http_without_the_c_parser(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--prod", "--set", "connections=100", env=PURE_PYTHON)
    with pytest.raises(AssertionError, match="aiohttp: has no C parser here"):
        server.start()


def test_development_says_that_the_c_parser_is_missing(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, env=PURE_PYTHON)
    server.start()
    try:
        server.stderr.wait_for("slow_http_parser", 10)
    finally:
        server.stop()


async def test_refused_body_that_never_comes_does_not_hold_its_connection(start_server: StartServer) -> None:
    """The answer is there at once, and the connection ends though the client neither sends nor leaves."""
    server = await asyncio.to_thread(start_server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /socket.io/?EIO=4&transport=polling&sid=unknown HTTP/1.1\r\n"
        b"Host: localhost\r\nContent-Length: 60000\r\n\r\nxxxx"
    )
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400")
    writer.close()
