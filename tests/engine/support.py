"""Servers on free ports, and minimal HTTP and WebSocket clients for them."""

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
from chatws.engine.polling import PollingTransport, ReceiveQueue
from chatws.engine.session import EngineSession
from chatws.engine.websocket import WebSocketTransport
from chatws.wire.frames import client_frame
from tests.support.certificate import make_certificate

TIMEOUT_S = 30.0
"""Limit for what must happen; never the time a test waits for something not to happen."""

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
"""Bytes of a handshake, for connections that no client library would open."""


class ValueRecorder:
    """Records values and lets a test wait for them."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._added = asyncio.Event()

    def add(self, item: Any) -> None:
        self.items.append(item)
        self._added.set()

    async def until(self, condition: Callable[[list[Any]], object]) -> list[Any]:
        """Wait until the recorded values satisfy a condition."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition(self.items):
                self._added.clear()
                await self._added.wait()
        return self.items

    async def count(self, number: int) -> list[Any]:
        return await self.until(lambda items: len(items) >= number)


async def until(condition: Callable[[], object]) -> None:
    """Poll for a state of the server that no event announces."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.005)


@dataclass
class EngineTestServer:
    """Running server with an HTTP client."""

    io: Server
    url: str
    port: int
    http: ClientSession
    disconnects: ValueRecorder = field(default_factory=ValueRecorder)

    @property
    def path(self) -> str:
        return f"{self.url}/socket.io/?EIO=4"

    async def get(self, sid: str | None = None, **options: Any) -> ClientResponse:
        """Send a poll, or without ``sid`` open a polling session."""
        query = "" if sid is None else f"&sid={sid}"
        return await self.http.get(f"{self.path}&transport=polling{query}", **options)

    async def post(self, sid: str, body: str | bytes, **options: Any) -> ClientResponse:
        return await self.http.post(f"{self.path}&transport=polling&sid={sid}", data=body, **options)

    async def poll(self, sid: str) -> list[str]:
        """Send a poll and return the packets."""
        async with await self.get(sid) as response:
            assert response.status == 200
            return (await response.text()).split("\x1e")

    async def open_polling(self, *, connect: bool = True) -> str:
        """Open a polling session and connect to the main namespace; return the sid."""
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
            assert (await websocket.receive_str(timeout=TIMEOUT_S)).startswith("0{")
        if connect:
            await websocket.send_str("40")
            assert (await websocket.receive_str(timeout=TIMEOUT_S)).startswith("40{")
        return websocket


async def close_code(websocket: ClientWebSocketResponse) -> int | None:
    """Read to the close frame and return its code; None if the connection was lost without one."""
    while True:
        message = await websocket.receive(timeout=TIMEOUT_S)
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
) -> AsyncIterator[EngineTestServer]:
    """Run a server that echoes ``echo`` and records every disconnect."""
    io = Server(options or EngineOptions())
    disconnects = ValueRecorder()
    main = io.of("/")

    @main.on_disconnect
    def record(socket: Socket, reason: str) -> None:
        disconnects.add((socket.id, str(reason)))

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
            yield EngineTestServer(io, f"{'https' if tls else 'http'}://127.0.0.1:{port}", port, http, disconnects)
    finally:
        await runner.cleanup()
        assert io.session_count == 0
        assert not io._context.task_count


async def open_stalled_client(server: EngineTestServer) -> socket.socket:
    """Connect to the main namespace by a TCP socket with a small receive buffer that is not read."""
    loop = asyncio.get_running_loop()
    bare = socket.socket()
    bare.setblocking(False)
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(bare, ("127.0.0.1", server.port))
    await loop.sock_sendall(bare, UPGRADE)
    await loop.sock_recv(bare, 4096)
    await loop.sock_sendall(bare, client_frame(b"40", b"abcd"))
    await until(lambda: server.io.of("/").sockets)
    return bare


def open_stalled_tls_client(server: EngineTestServer, trust: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect like ``open_stalled_client``, over TLS; blocks."""
    bare = socket.socket()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    bare.connect(("127.0.0.1", server.port))
    stalled = trust.wrap_socket(bare, server_hostname="localhost")
    stalled.sendall(UPGRADE)
    assert stalled.recv(4096)
    stalled.sendall(client_frame(b"40", b"abcd"))
    return stalled


def make_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Create the TLS contexts of a server and of clients that trust it."""
    certificate = make_certificate(folder)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate.cert, certificate.key)
    return server_side, ssl.create_default_context(cafile=certificate.cert)


def engine_objects() -> list[object]:
    """Return all per-client objects of the engine, cycles included; other tests of the process may have left some."""
    kinds = (EngineSession, SocketIOConnection, Socket, WebSocketTransport, PollingTransport, ReceiveQueue)
    return [candidate for candidate in gc.get_objects() if type(candidate) in kinds]


def new_engine_objects(before: list[object]) -> list[object]:
    """Return the per-client objects that are not among these."""
    known = {id(candidate) for candidate in before}
    return [candidate for candidate in engine_objects() if id(candidate) not in known]
