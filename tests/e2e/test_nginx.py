"""Two servers behind a real nginx with the printed configuration; each client comes from an address of its own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chatws.bots import BotRequest, EchoBot, HandOff
from chatws.client import ClientOptions, ConnectionChange, Event
from tests.client.recording_listener import Listener
from tests.support.bots import install
from tests.support.certificate import Certificate, make_certificate
from tests.support.chat import RunningChat
from tests.support.nginx import Nginx
from tests.support.node import NodeRunner

ENGINE = "/socket.io/?EIO=4&transport="
PER_ADDRESS = 4
"""Connections that each server allows one address."""


class Site:
    """The servers and their proxy."""

    def __init__(self, servers: list[RunningChat], nginx: Nginx) -> None:
        self.servers = servers
        self.nginx = nginx

    def sessions(self) -> list[int]:
        """How many each server has."""
        return [server.engine.session_count for server in self.servers]


StartSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start_site(tmp_path: Path) -> AsyncIterator[StartSite]:
    async with AsyncExitStack() as stack:

        async def start(certificate: Certificate | None = None, **settings: Any) -> Site:
            options = {"mode": "prod", "connections": 500, "trusted_proxies": ("127.0.0.1",), **settings}
            chats = [RunningChat(tmp_path / name, **options) for name in ("one", "two")]
            for chat in chats:
                await stack.enter_async_context(chat)
            nginx = await asyncio.to_thread(Nginx, tmp_path / "nginx", [chat.url for chat in chats], certificate)
            stack.callback(nginx.stop)
            await asyncio.to_thread(nginx.start)
            return Site(chats, nginx)

        yield start


@asynccontextmanager
async def visitor(site: Site, address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who connects from this loopback address."""
    base = f"http://127.0.0.1:{site.nginx.port}"
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(base, connector=connector) as http:
        yield http


async def poll(http: aiohttp.ClientSession, sid: str) -> str:
    async with http.get(f"{ENGINE}polling&sid={sid}") as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def begin_polling(http: aiohttp.ClientSession) -> str:
    """Open a polling session and return its id."""
    async with http.get(f"{ENGINE}polling") as response:
        assert response.status == 200
        sid: str = json.loads((await response.text())[1:])["sid"]
    async with http.post(f"{ENGINE}polling&sid={sid}", data="40") as response:
        assert await response.text() == "ok"
    assert (await poll(http, sid)).startswith("40")
    return sid


async def test_polling_sessions_keep_their_server_and_may_upgrade_there(start_site: StartSite) -> None:
    site = await start_site()
    async with AsyncExitStack() as stack:
        for number in range(12):
            http = await stack.enter_async_context(visitor(site, f"127.0.0.{10 + number}"))
            sid = await begin_polling(http)
            socket = await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket&sid={sid}"))
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            assert await poll(http, sid) == "6"
            await socket.send_str("5")
        assert sum(site.sessions()) == 12
        assert min(site.sessions()) > 0, "the addresses are spread"
        transports = sum((server.engine.sessions_by_transport() for server in site.servers), Counter[str]())
        assert transports["websocket"] >= 11, "the last one may be on its way"
    assert "/socket.io/" not in site.nginx.access_log(), "ids of sessions are as good as passwords"


async def test_websockets_go_to_the_emptier_server_and_count_for_their_own_address(start_site: StartSite) -> None:
    site = await start_site(connections_per_address=PER_ADDRESS)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(visitor(site, "127.0.0.50"))
        for _ in range(2 * PER_ADDRESS):
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))
        assert site.sessions() == [PER_ADDRESS, PER_ADDRESS]
        for claimed in ({}, {"X-Forwarded-For": "127.0.0.99"}, {"Forwarded": "for=127.0.0.99"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await http.ws_connect(f"{ENGINE}websocket", headers=claimed)
            assert refusal.value.status == 503
        other = await stack.enter_async_context(visitor(site, "127.0.0.51"))
        await stack.enter_async_context(other.ws_connect(f"{ENGINE}websocket"))


async def test_server_that_is_taken_out_or_gone_gets_nobody(start_site: StartSite) -> None:
    site = await start_site()
    first = site.servers[0]
    await asyncio.to_thread(site.nginx.take_out, first.url)
    async with AsyncExitStack() as stack:
        for number in range(6):
            http = await stack.enter_async_context(visitor(site, f"127.0.0.{60 + number}"))
            await begin_polling(http)
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))
        assert site.sessions() == [0, 12]
    await asyncio.to_thread(site.nginx.take_out, site.servers[1].url)
    await first.stop()
    await asyncio.to_thread(site.nginx.take_out)
    async with AsyncExitStack() as stack:
        for number in range(6):
            http = await stack.enter_async_context(visitor(site, f"127.0.0.{70 + number}"))
            await begin_polling(http)
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))


async def test_polling_client_whose_server_is_taken_out_comes_back_to_another_as_soon_as_it_speaks(
    start_site: StartSite, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    site = await start_site(jwt_key_file=key)
    agent = Listener.agent(site.nginx.url, site.servers[0].token(), ClientOptions(transports=("polling",)))
    async with agent.client:
        (first,) = (server for server in site.servers if server.engine.session_count)
        await asyncio.to_thread(site.nginx.take_out, first.url)
        await agent.client.set_presence("busy")
        changes = [change for change in agent.of(Event.CONNECTION_CHANGE) if isinstance(change, ConnectionChange)]
    assert [(change.state, change.reason) for change in changes] == [
        ("connected", "connected"),
        ("reconnecting", "the server answered HTTP 400"),
        ("connected", "connected"),
    ]


async def test_metrics_are_not_for_the_world_however_they_are_spelled(start_site: StartSite) -> None:
    site = await start_site()
    for path in ("/metrics", "//metrics", "/%6detrics", "/health/../metrics", "/metrics?x=1"):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", site.nginx.port)
        writer.write(request.encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404"), path
        assert b"<center>nginx" in answer, path


class StepBot(EchoBot):
    """Says a piece each time the test lets it."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, turn: BotRequest) -> AsyncIterator[str | HandOff]:
        del turn
        while (piece := await self.pieces.get()) is not None:
            yield piece


async def test_event_stream_is_passed_on_while_it_is_written(start_site: StartSite) -> None:
    site = await start_site()
    bot = StepBot()
    for server in site.servers:
        install(server, bot)
    await asyncio.to_thread(site.nginx.take_out, site.servers[1].url)
    async with visitor(site, "127.0.0.80") as http:
        async with http.post("/api/sessions", json={}) as response:
            session = await response.json()
        headers = {"X-Session-Id": session["sessionId"], "Accept": "text/event-stream"}
        async with http.post("/api/coze/chat", json={"message": "Hello"}, headers=headers) as response:
            seen = b""
            for piece in ("first", "second"):
                bot.pieces.put_nowait(piece)
                async with asyncio.timeout(30):
                    while piece.encode() not in seen:
                        seen += await response.content.readany()
            bot.pieces.put_nowait(None)
            assert b"event: done" in seen + await response.read()
        async with http.post("/api/coze/chat", json={"message": "x" * 70_000}, headers=headers) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == "too_large"


async def test_tls_ends_at_nginx_and_its_pages_are_of_the_same_origin(
    start_site: StartSite, tmp_path: Path, node: NodeRunner
) -> None:
    certificate = make_certificate(tmp_path)
    site = await start_site(certificate)
    token = site.servers[0].token()
    await asyncio.to_thread(site.nginx.take_out, site.servers[1].url)
    for transports in ("websocket", "polling"):
        rows = await node.run(
            "connect.mjs", site.nginx.url, transports, json.dumps({"token": token}), str(certificate.cert)
        )
        assert rows == [{"event": "connect", "transport": transports}]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        for origin, status in ((site.nginx.url, 200), ("https://localhost", 403), ("https://evil.example", 403)):
            forged = {"Origin": origin, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
            async with http.get(f"{site.nginx.url}{ENGINE}polling", headers=forged) as response:
                assert response.status == status
