"""Listener with limits in front of a small application, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.http import HttpProcessingError

from chatws.server.tcp import LimitedSite, ListenerLimits, ListenerStats
from tests.engine.support import until
from tests.support.certificate import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 30.0
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: loc"


class ListeningSite:
    """Address and counters of a site, and the connections that a test opened to it."""

    def __init__(self, port: int, stats: ListenerStats) -> None:
        self.port = port
        self.stats = stats
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(
        self, data: bytes = b"", tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, and send something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        self._writers.append(writer)
        writer.write(data)
        return reader, writer

    async def close_clients(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def until_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        await until(lambda: self.stats.open == count)


@asynccontextmanager
async def listening(
    *,
    tls: ssl.SSLContext | None = None,
    websockets: int = 0,
    total: int = 0,
    per_address: int = 0,
    descriptors: int = 0,
    request_timeout_s: float = 30.0,
    keepalive_timeout_s: float = 30.0,
) -> AsyncIterator[ListeningSite]:
    """Yield a site of an application that returns the length of the body, and that holds ``/wait`` open."""
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        try:
            return web.Response(text=str(len(await request.read())))
        except web.RequestPayloadError:
            return web.Response(status=400)

    async def wait(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response(text="released")

    app = web.Application()
    app.router.add_route("*", "/", answer)
    app.router.add_get("/wait", wait)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    port = listener.getsockname()[1]
    limits = ListenerLimits(
        max_connections=total,
        max_per_address=per_address,
        max_descriptors=descriptors,
        request_timeout_s=request_timeout_s,
        keepalive_timeout_s=keepalive_timeout_s,
    )
    stats = ListenerStats()
    await LimitedSite(runner, listener, limits, count_websockets=lambda: websockets, stats=stats, tls=tls).start()
    site = ListeningSite(port, stats)
    try:
        yield site
    finally:
        release.set()
        await site.close_clients()
        await runner.cleanup()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes the connection; a reset counts as the end."""
    received = b""
    async with asyncio.timeout(TIMEOUT_S):
        try:
            while part := await reader.read(4096):
                received += part
        except ConnectionResetError:
            return received
    return received


async def test_requests_are_answered_on_one_connection() -> None:
    async with listening() as site:
        reader, writer = await site.connect(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"0"
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel")
        writer.write(b"lo")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"5"
        assert site.stats.open == 1
        writer.close()
        await site.until_open(0)
        assert not site.stats.closed


async def test_body_is_not_decompressed() -> None:
    async with listening() as site:
        reader, _ = await site.connect(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"5"


async def test_malformed_chunk_ends_the_request_at_once() -> None:
    async with listening() as site:
        reader, writer = await site.connect(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"5\r\nhello\r\nzz\r\n")
        assert (await read_all(reader)).startswith(b"HTTP/1.1 400 ")


async def test_expectation_that_is_not_utf8_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as site:
        reader, _ = await site.connect(b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n\r\n")
        assert (await read_all(reader)).startswith(b"HTTP/1.1 400 ")
    (record,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], HttpProcessingError), "otherwise the log would have a traceback"


async def test_head_that_is_sent_too_slowly_is_answered_with_408() -> None:
    async with listening(request_timeout_s=0.3) as site:
        reader, writer = await site.connect(HALF_A_HEAD)

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        response = await read_all(reader)
        trickling.cancel()
        assert response.startswith(b"HTTP/1.1 408 ")
        assert site.stats.closed == {"head_timeout": 1}
        await site.until_open(0)


async def test_second_head_on_a_connection_is_bounded_too() -> None:
    async with listening(request_timeout_s=0.3) as site:
        reader, writer = await site.connect(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1)
        writer.write(HALF_A_HEAD)
        assert (await read_all(reader)).startswith(b"HTTP/1.1 408 ")
        assert site.stats.closed == {"head_timeout": 1}


async def test_body_that_is_sent_too_slowly_is_answered_with_408() -> None:
    async with listening(request_timeout_s=0.3) as site:
        reader, _ = await site.connect(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhel")
        assert (await read_all(reader)).startswith(b"HTTP/1.1 408 ")
        assert site.stats.closed == {"body_timeout": 1}
        await site.until_open(0)


async def test_request_in_progress_has_no_time_limit() -> None:
    async with listening(request_timeout_s=0.1) as site:
        waiting, _ = await site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow, _ = await site.connect(HALF_A_HEAD)
        assert (await read_all(slow)).startswith(b"HTTP/1.1 408 ")
        assert site.stats.open >= 1
        assert not waiting.at_eof()


async def test_connection_without_a_request_ends_after_the_keepalive_timeout() -> None:
    async with listening(keepalive_timeout_s=0.2) as site:
        reader, _ = await site.connect(GET)
        response = await read_all(reader)
        assert response.startswith(b"HTTP/1.1 200")
        await site.until_open(0)


async def test_silent_tls_handshake_is_closed_and_counted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert, certificate.key)
    async with listening(tls=tls, request_timeout_s=0.3) as site:
        reader, _ = await site.connect()
        await site.until_open(1)
        assert await read_all(reader) == b""
        assert site.stats.closed == {"tls_timeout": 1}
        await site.until_open(0)
        trusting = ssl.create_default_context(cafile=str(certificate.cert))
        reader, _ = await site.connect(GET, trusting)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_address_above_its_limit_is_refused_with_503() -> None:
    async with listening(per_address=2) as site:
        held = [await site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(2)]
        await site.until_open(2)
        reader, _ = await site.connect()
        assert (await read_all(reader)).startswith(b"HTTP/1.1 503 ")
        assert site.stats.closed == {"address": 1}
        held[0][1].close()
        await site.until_open(1)
        reader, _ = await site.connect(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_longest_waiting_connection_makes_room_for_a_new_one() -> None:
    async with listening(total=2) as site:
        busy, _ = await site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow, _ = await site.connect(HALF_A_HEAD)
        await site.until_open(2)
        reader, _ = await site.connect(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await read_all(slow) == b""
        assert site.stats.closed == {"evicted": 1}
        assert not busy.at_eof()


async def test_connection_is_refused_when_all_others_are_in_use() -> None:
    async with listening(total=2) as site:
        busy = [await site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(2)]
        await site.until_open(2)
        reader, _ = await site.connect()
        assert (await read_all(reader)).startswith(b"HTTP/1.1 503 ")
        assert site.stats.closed == {"connections": 1}
        assert not any(reader.at_eof() for reader, _ in busy)


async def test_websockets_count_towards_the_file_descriptors() -> None:
    async with listening(descriptors=10, websockets=9) as site:
        slow, _ = await site.connect(HALF_A_HEAD)
        await site.until_open(1)
        reader, _ = await site.connect(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await read_all(slow) == b""
        assert site.stats.closed == {"evicted": 1}
