"""Two servers behind a real nginx with the generated configuration; each client has its own address."""

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
from tests.client.recording_listener import RecordingListener
from tests.support.bots import install
from tests.support.certificate import Certificate, make_certificate
from tests.support.chat import RunningChat
from tests.support.nginx import Nginx
from tests.support.node import NodeRunner

ENGINE = "/socket.io/?EIO=4&transport="
PER_ADDRESS = 4
"""Limit of connections per address on each server."""


ADDRESSES = 12
MAX_ADDRESSES = 40


class ProxiedServers:
    """Two servers and their proxy."""

    def __init__(self, servers: list[RunningChat], nginx: Nginx) -> None:
        self.servers = servers
        self.nginx = nginx

    def sessions(self) -> list[int]:
        """Return the number of sessions of each server."""
        return [server.engine.session_count for server in self.servers]


StartProxied = Callable[..., Awaitable[ProxiedServers]]


@pytest.fixture
async def start_proxied(tmp_path: Path) -> AsyncIterator[StartProxied]:
    async with AsyncExitStack() as stack:

        async def start(certificate: Certificate | None = None, **settings: Any) -> ProxiedServers:
            options = {"mode": "prod", "connections": 500, "trusted_proxies": ("127.0.0.1",), **settings}
            chats = [RunningChat(tmp_path / name, **options) for name in ("one", "two")]
            for chat in chats:
                await stack.enter_async_context(chat)
            nginx = await asyncio.to_thread(Nginx, tmp_path / "nginx", [chat.url for chat in chats], certificate)
            stack.callback(nginx.stop)
            await asyncio.to_thread(nginx.start)
            return ProxiedServers(chats, nginx)

        yield start


@asynccontextmanager
async def visitor(proxied: ProxiedServers, address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP client that connects from this loopback address."""
    base = f"http://127.0.0.1:{proxied.nginx.port}"
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


async def test_polling_sessions_keep_their_server_and_may_upgrade_there(start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    async with AsyncExitStack() as stack:
        opened = 0
        # One of some hundred runs has ports with which these addresses are those of one server.
        while opened < ADDRESSES or (opened < MAX_ADDRESSES and not min(proxied.sessions())):
            http = await stack.enter_async_context(visitor(proxied, f"127.0.0.{10 + opened}"))
            opened += 1
            sid = await begin_polling(http)
            socket = await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket&sid={sid}"))
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            assert await poll(http, sid) == "6"
            await socket.send_str("5")
        assert sum(proxied.sessions()) == opened
        assert min(proxied.sessions()) > 0, "nginx distributes the addresses"
        transports = sum((server.engine.sessions_by_transport() for server in proxied.servers), Counter[str]())
        assert transports["websocket"] >= opened - 1, "the last upgrade may be in progress"
    assert "/socket.io/" not in proxied.nginx.access_log(), "session ids are secrets"


async def test_websockets_go_to_the_less_loaded_server_and_count_by_client_address(start_proxied: StartProxied) -> None:
    proxied = await start_proxied(connections_per_address=PER_ADDRESS)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(visitor(proxied, "127.0.0.50"))
        for _ in range(2 * PER_ADDRESS):
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))
        assert proxied.sessions() == [PER_ADDRESS, PER_ADDRESS]
        for claimed in ({}, {"X-Forwarded-For": "127.0.0.99"}, {"Forwarded": "for=127.0.0.99"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await http.ws_connect(f"{ENGINE}websocket", headers=claimed)
            assert refusal.value.status == 503
        other = await stack.enter_async_context(visitor(proxied, "127.0.0.51"))
        await stack.enter_async_context(other.ws_connect(f"{ENGINE}websocket"))


async def test_server_that_is_taken_out_or_stopped_gets_no_client(start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    first = proxied.servers[0]
    await asyncio.to_thread(proxied.nginx.set_down, first.url)
    async with AsyncExitStack() as stack:
        for number in range(6):
            http = await stack.enter_async_context(visitor(proxied, f"127.0.0.{60 + number}"))
            await begin_polling(http)
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))
        assert proxied.sessions() == [0, 12]
    await asyncio.to_thread(proxied.nginx.set_down, proxied.servers[1].url)
    await first.stop()
    await asyncio.to_thread(proxied.nginx.set_down)
    async with AsyncExitStack() as stack:
        for number in range(6):
            http = await stack.enter_async_context(visitor(proxied, f"127.0.0.{70 + number}"))
            await begin_polling(http)
            await stack.enter_async_context(http.ws_connect(f"{ENGINE}websocket"))


async def test_polling_client_of_a_server_taken_out_reconnects_to_another_on_its_next_request(
    start_proxied: StartProxied, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    proxied = await start_proxied(jwt_key_file=key)
    agent = RecordingListener.agent(
        proxied.nginx.url, proxied.servers[0].token(), ClientOptions(transports=("polling",))
    )
    async with agent.client:
        (first,) = (server for server in proxied.servers if server.engine.session_count)
        await asyncio.to_thread(proxied.nginx.set_down, first.url)
        await agent.client.set_presence("busy")
        changes = [change for change in agent.of(Event.CONNECTION_CHANGE) if isinstance(change, ConnectionChange)]
    assert [(change.state, change.reason) for change in changes] == [
        ("connected", "connected"),
        ("reconnecting", "the server answered HTTP 400"),
        ("connected", "connected"),
    ]


async def test_metrics_are_not_public_under_any_spelling_of_the_path(start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    for path in ("/metrics", "//metrics", "/%6detrics", "/health/../metrics", "/metrics?x=1"):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", proxied.nginx.port)
        writer.write(request.encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404"), path
        assert b"<center>nginx" in answer, path


class QueuedBot(EchoBot):
    """Bot that yields the pieces that the test puts into a queue."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def answer(self, request: BotRequest) -> AsyncIterator[str | HandOff]:
        del request
        while (piece := await self.pieces.get()) is not None:
            yield piece


async def test_event_stream_is_passed_on_while_it_is_written(start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    bot = QueuedBot()
    for server in proxied.servers:
        install(server, bot)
    await asyncio.to_thread(proxied.nginx.set_down, proxied.servers[1].url)
    async with visitor(proxied, "127.0.0.80") as http:
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
    start_proxied: StartProxied, tmp_path: Path, node: NodeRunner
) -> None:
    certificate = make_certificate(tmp_path)
    proxied = await start_proxied(certificate)
    token = proxied.servers[0].token()
    await asyncio.to_thread(proxied.nginx.set_down, proxied.servers[1].url)
    for transports in ("websocket", "polling"):
        rows = await node.run(
            "connect.mjs", proxied.nginx.url, transports, json.dumps({"token": token}), str(certificate.cert)
        )
        assert rows == [{"event": "connect", "transport": transports}]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        for origin, status in ((proxied.nginx.url, 200), ("https://localhost", 403), ("https://evil.example", 403)):
            forged = {"Origin": origin, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
            async with http.get(f"{proxied.nginx.url}{ENGINE}polling", headers=forged) as response:
                assert response.status == status
