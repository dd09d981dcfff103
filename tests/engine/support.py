"""Real servers on free ports, and the plainest of clients to talk to them."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType, web

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.connection import SocketIOConnection
from chatws.engine.polling import PollingTransport
from chatws.engine.receive_queue import ReceiveQueue
from chatws.engine.session import EngineSession
from chatws.engine.websocket import WebSocketTransport
from chatws.wire.frames import client_frame
from tests.support.certificate import make_certificate

PATIENCE_S = 30.0
"""How long a test waits for what must come; never how long it waits for something not to come."""

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
"""A handshake as bytes, for connections that no client library would make."""


class Recorder:
    """Notes things and lets a test wait for them."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._news = asyncio.Event()

    def add(self, item: Any) -> None:
        self.items.append(item)
        self._news.set()

    async def until(self, holds: Callable[[list[Any]], object]) -> list[Any]:
        """Wait until the notes satisfy a condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.items):
                self._news.clear()
                await self._news.wait()
        return self.items

    async def count(self, number: int) -> list[Any]:
        return await self.until(lambda items: len(items) >= number)


async def eventually(holds: Callable[[], object]) -> None:
    """Wait for something inside the server that tells nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.005)


@dataclass
class Running:
    """A server under test."""

    io: Server
    url: str
    port: int
    http: ClientSession
    ended: Recorder = field(default_factory=Recorder)

    @property
    def path(self) -> str:
        return f"{self.url}/socket.io/?EIO=4"

    async def get(self, sid: str | None = None, **options: Any) -> ClientResponse:
        """Poll, or without sid open a polling session."""
        query = "" if sid is None else f"&sid={sid}"
        return await self.http.get(f"{self.path}&transport=polling{query}", **options)

    async def post(self, sid: str, body: str | bytes, **options: Any) -> ClientResponse:
        return await self.http.post(f"{self.path}&transport=polling&sid={sid}", data=body, **options)

    async def poll(self, sid: str) -> list[str]:
        """Poll and give the packets."""
        async with await self.get(sid) as response:
            assert response.status == 200
            return (await response.text()).split("\x1e")

    async def open_polling(self, *, connect: bool = True) -> str:
        """Open a polling session and connect to the main namespace; gives the sid."""
        async with await self.get() as response:
            sid: str = json.loads((await response.text())[1:])["sid"]
        if connect:
            async with await self.post(sid, "40") as answer:
                assert answer.status == 200
            while not any(packet.startswith("40") for packet in await self.poll(sid)):
                pass  # on a busy machine the first heartbeat may come first
        return sid

    async def open_websocket(self, *, connect: bool = True, sid: str | None = None) -> ClientWebSocketResponse:
        """Open a WebSocket, and connect to the main namespace."""
        query = "" if sid is None else f"&sid={sid}"
        websocket = await self.http.ws_connect(
            f"{self.path}&transport=websocket{query}", autoclose=False, max_msg_size=0
        )
        if sid is None:
            assert (await websocket.receive_str(timeout=PATIENCE_S)).startswith("0{")
        if connect:
            await websocket.send_str("40")
            assert (await websocket.receive_str(timeout=PATIENCE_S)).startswith("40{")
        return websocket


async def close_code(websocket: ClientWebSocketResponse) -> int | None:
    """Read on to the close frame and give its code; None when the connection broke without one."""
    while True:
        message = await websocket.receive(timeout=PATIENCE_S)
        if message.type is WSMsgType.CLOSE:
            await websocket.close()
            return int(message.data)
        if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
            return None


@asynccontextmanager
async def serve(
    options: EngineOptions | None = None,
    prepare: Callable[[Server], None] = lambda _io: None,
    *,
    tls: ssl.SSLContext | None = None,
    access_log: logging.Logger | None = None,
) -> AsyncIterator[Running]:
    """Run a server that echoes ``echo`` and notes every disconnect."""
    io = Server(options or EngineOptions())
    ended = Recorder()
    main = io.of("/")

    @main.on_disconnect
    def note(socket: Socket, reason: str) -> None:
        ended.add((socket.id, str(reason)))

    @main.on("echo")
    async def echo(_socket: Socket, *values: object) -> tuple[object, ...]:
        return values

    prepare(io)
    app = web.Application()
    io.attach(app)
    runner = web.AppRunner(app, access_log=access_log, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with ClientSession(connector=TCPConnector(limit=0)) as http:
            yield Running(io, f"{'https' if tls else 'http'}://127.0.0.1:{port}", port, http, ended)
    finally:
        await runner.cleanup()
        assert io.session_count == 0
        assert not io._core._tasks


async def open_deaf(running: Running) -> socket.socket:
    """Connect to the main namespace by a bare socket with a small receive buffer that nobody reads."""
    loop = asyncio.get_running_loop()
    bare = socket.socket()
    bare.setblocking(False)
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(bare, ("127.0.0.1", running.port))
    await loop.sock_sendall(bare, UPGRADE)
    await loop.sock_recv(bare, 4096)
    await loop.sock_sendall(bare, client_frame(b"40", b"abcd"))
    await eventually(lambda: running.io.of("/").sockets)
    return bare


def open_deaf_over_tls(running: Running, trust: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect like ``open_deaf``; blocks."""
    bare = socket.socket()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    bare.connect(("127.0.0.1", running.port))
    deaf = trust.wrap_socket(bare, server_hostname="localhost")
    deaf.sendall(UPGRADE)
    assert deaf.recv(4096)
    deaf.sendall(client_frame(b"40", b"abcd"))
    return deaf


def make_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make the two ends of TLS: a server's, and that of clients who trust it."""
    certificate = make_certificate(folder)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate.cert, certificate.key)
    return server_side, ssl.create_default_context(cafile=certificate.cert)


def kept() -> list[object]:
    """Find what the engine has of clients, be it kept by one another; other tests of the process have left some."""
    kinds = (EngineSession, SocketIOConnection, Socket, WebSocketTransport, PollingTransport, ReceiveQueue)
    return [found for found in gc.get_objects() if type(found) in kinds]


def left_since(others: list[object]) -> list[object]:
    """Find what is kept beside these objects."""
    known = {id(other) for other in others}
    return [found for found in kept() if id(found) not in known]
