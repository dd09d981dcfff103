"""Reports of an HTTP connection; fails if an aiohttp release changes an internal that `HttpConnection` relies on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from chatws.server.tcp.connection import HttpConnection

CHANGED = "aiohttp changed internals that chatws.server.tcp.connection relies on"


class ReportRecorder:
    """Observer that records the reports of a connection, and the connection itself."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.connection: HttpConnection | None = None

    def opened(self, connection: HttpConnection) -> None:
        self.connection = connection
        self.reports.append("opened")

    def ended(self, connection: HttpConnection) -> None:
        del connection
        self.reports.append("ended")

    def head_begun(self, connection: HttpConnection) -> None:
        del connection
        self.reports.append("head begun")

    def head_received(self, connection: HttpConnection, *, has_body: bool) -> None:
        del connection
        self.reports.append("head, body follows" if has_body else "head")

    def body_received(self, connection: HttpConnection) -> None:
        del connection
        self.reports.append("body")


class FakeTransport(asyncio.Transport):
    """Transport of no network, so that each part of a request arrives in a call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
async def server() -> AsyncIterator[web.Server]:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=await request.text())

    server = web.Server(answer)
    yield server
    await server.shutdown(0.1)


async def test_each_part_of_a_request_is_reported(server: web.Server) -> None:
    recorder, transport = ReportRecorder(), FakeTransport()
    connection = HttpConnection(
        server, recorder, "192.0.2.1", loop=asyncio.get_running_loop(), keepalive_timeout_s=30.0, lingering_s=1.0
    )
    connection.connection_made(transport)
    parts = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\n",
        b"Content-Length: 4\r\n\r\n",
        b"ab",
        b"cd",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /",
    )
    for part in parts:
        await until_idle_or_reading(connection)
        connection.data_received(part)
    assert recorder.reports == ["opened", "head begun", "head, body follows", "body", "head", "head begun"], CHANGED
    connection.connection_lost(None)
    assert recorder.reports[-1] == "ended", CHANGED


async def until_idle_or_reading(connection: HttpConnection) -> None:
    """Let aiohttp process what it received."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert connection.is_idle or connection.is_reading_body, CHANGED
