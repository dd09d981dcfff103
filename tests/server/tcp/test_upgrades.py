"""WebSockets opened past aiohttp, beside the same requests answered through it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from chatws.engine import EngineOptions, Server
from chatws.engine.upgrade_request import UpgradeRequest
from chatws.server.tcp import LimitedSite, ListenerLimits, ListenerStats
from tests.engine.support import TIMEOUT_S, UPGRADE, until

OPTIONS = EngineOptions(allowed_origins=frozenset({"https://shop.example"}))
HEAD = UPGRADE.removesuffix(b"\r\n")


class TwoSites:
    """Two listeners of one engine: one of aiohttp alone, and one that passes upgrade requests on to the engine."""

    def __init__(self, io: Server, ports: tuple[int, int], runner: web.AppRunner) -> None:
        self.io = io
        self.ports = ports
        self.runner = runner
        self.stats = ListenerStats()
        self.taken: list[UpgradeRequest] = []
        """Requests that the engine answered itself."""

    def take(self, request: UpgradeRequest) -> bool:
        """Pass a request on to the engine."""
        if self.io.take_upgrade(request):
            self.taken.append(request)
            return True
        return False

    async def answers(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request to either listener; return what each answers, up to the end of the head."""
        first, second = [await _answer(port, request) for port in self.ports]
        return first, second


async def _answer(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(TIMEOUT_S):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def two_sites(options: EngineOptions = OPTIONS, *, request_timeout_s: float = 30.0) -> AsyncIterator[TwoSites]:
    io, app = Server(options), web.Application()
    io.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener = socket.create_server(("127.0.0.1", 0))
    sites = TwoSites(io, (runner.addresses[0][1], listener.getsockname()[1]), runner)
    limits = ListenerLimits(
        max_connections=0,
        max_per_address=0,
        max_descriptors=0,
        request_timeout_s=request_timeout_s,
        keepalive_timeout_s=30.0,
    )
    await LimitedSite(
        runner, listener, limits, count_websockets=lambda: 0, stats=sites.stats, take_upgrade=sites.take
    ).start()
    try:
        yield sites
    finally:
        await runner.cleanup()
        assert not sites.stats.open


@pytest.mark.parametrize(
    "request_",
    [
        UPGRADE,
        UPGRADE.replace(b"/socket.io/", b"/socket.io"),
        HEAD + b"Origin: https://shop.example\r\n\r\n",
        HEAD + b"Origin: http://x\r\n\r\n",
        UPGRADE.replace(b"Connection: Upgrade", b"Connection: keep-alive, upgrade"),
    ],
)
async def test_upgrade_is_answered_as_by_aiohttp_without_it(request_: bytes) -> None:
    async with two_sites() as sites:
        through_aiohttp, past_it = await sites.answers(request_)
        assert through_aiohttp == past_it
        assert past_it.startswith(b"HTTP/1.1 101 ")
        assert len(sites.taken) == 1
        assert sites.io.stats.opened_total == {"websocket": 2}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"Origin: https://evil.example\r\n\r\n", b"403"),
        (UPGRADE.replace(b"/socket.io/", b"/other/"), b"404"),
        (UPGRADE.replace(b"EIO=4", b"EIO=3"), b"400"),
        (UPGRADE.replace(b"transport=websocket", b"transport=polling"), b"400"),
        (UPGRADE.replace(b"transport=websocket", b"transport=websocket&sid=unknown"), b"400"),
        (UPGRADE.replace(b"transport=websocket", b"transport=websocket&j=0"), b"400"),
        (UPGRADE.replace(b"AAAA==", b"=="), b"400"),
        (UPGRADE.replace(b"Version: 13", b"Version: 8"), b"400"),
        (UPGRADE.replace(b"Connection: Upgrade", b"Connection: close"), b"400"),
        (UPGRADE.replace(b"Upgrade: websocket", b"Upgrade: h2c"), b"400"),
    ],
)
async def test_refused_upgrade_is_answered_by_aiohttp(request_: bytes, status: bytes) -> None:
    async with two_sites() as sites:
        through_aiohttp, past_it = await sites.answers(request_)
        assert through_aiohttp.partition(b"\r\n")[0] == past_it.partition(b"\r\n")[0]
        assert past_it.startswith(b"HTTP/1.1 %s " % status)
        assert not sites.taken
        assert not sites.io.session_count


async def test_draining_server_refuses_upgrades_with_503_on_both_ways() -> None:
    async with two_sites() as sites:
        sites.io.refuse_new(7)
        for answer in await sites.answers(UPGRADE):
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 7" in answer
        assert sites.io.stats.refused_total == {"draining": 2}


async def test_invalid_handshake_does_not_count_as_a_new_session() -> None:
    async with two_sites(EngineOptions(new_sessions_per_s=1)) as sites:
        sites.io._context.admission._clock = lambda: 0.0
        for answer in await sites.answers(UPGRADE.replace(b"Version: 13", b"Version: 8")):
            assert answer.startswith(b"HTTP/1.1 400 ")
        through_aiohttp, past_it = await sites.answers(UPGRADE)
        assert through_aiohttp.startswith(b"HTTP/1.1 101 ")
        assert past_it.startswith(b"HTTP/1.1 503 ")


async def test_connection_of_a_taken_upgrade_is_neither_aiohttps_nor_the_listeners() -> None:
    async with two_sites(request_timeout_s=0.2) as sites:
        reader, writer = await asyncio.open_connection("127.0.0.1", sites.ports[1])
        await until(lambda: sites.stats.open == 1)
        assert sites.runner.server is not None
        assert len(sites.runner.server.connections) == 1
        writer.write(UPGRADE)
        async with asyncio.timeout(TIMEOUT_S):
            await reader.readuntil(b"\r\n\r\n")
            assert (await reader.readexactly(3))[2:] == b"0"
        assert not sites.stats.open
        assert not sites.runner.server.connections
        # A younger connection reaches the limit of a head, which no longer applies to this one.
        assert (await _answer(sites.ports[1], b"")).startswith(b"HTTP/1.1 408 ")
        assert sites.stats.closed == {"head_timeout": 1}
        assert sites.io.session_count == 1
        writer.close()
        await until(lambda: not sites.io.session_count)


async def test_silent_connection_is_answered_with_408_before_aiohttp_has_begun() -> None:
    async with two_sites(request_timeout_s=0.2) as sites:
        assert (await _answer(sites.ports[1], b"")).startswith(b"HTTP/1.1 408 ")
        assert sites.stats.closed == {"head_timeout": 1}


async def test_shutdown_closes_a_silent_connection_when_it_begins() -> None:
    async with two_sites() as sites:
        reader, writer = await asyncio.open_connection("127.0.0.1", sites.ports[1])
        await until(lambda: sites.stats.open == 1)
        assert sites.runner.server is not None
        sites.runner.server.pre_shutdown()
        async with asyncio.timeout(TIMEOUT_S):
            assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
