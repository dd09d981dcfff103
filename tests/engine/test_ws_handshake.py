"""Contract of ``detach_connection`` with aiohttp's internals: fails if an aiohttp release changes one of them."""

from __future__ import annotations

import asyncio
import gc
import weakref

from aiohttp import web

from chatws.engine.connection import SocketIOConnection
from chatws.engine.session import EngineSession
from chatws.engine.transport import PacketReceiver
from chatws.engine.ws_handshake import UpgradedResponse, detach_connection
from tests.engine.support import TIMEOUT_S, UPGRADE, ValueRecorder, serve, until

CHANGED = "aiohttp changed internals that chatws.engine.ws_handshake relies on: "


class ReceivingProtocol(asyncio.Protocol):
    """Records what it receives."""

    def __init__(self) -> None:
        self.received = b""
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True


async def test_detached_connection_is_released_by_aiohttp_and_stays_open() -> None:
    protocol, detached = ReceivingProtocol(), ValueRecorder()
    references: list[weakref.ref[object]] = []

    async def upgrade(request: web.Request) -> web.StreamResponse:
        http_protocol, tcp = request.protocol, request.transport
        assert tcp is not None
        trailing = detach_connection(request, tcp, protocol)
        assert tcp.get_protocol() is protocol
        assert http_protocol.transport is None, f"{CHANGED}RequestHandler.transport"
        assert not tcp.is_closing(), f"{CHANGED}connection_lost closes the connection"
        references.append(weakref.ref(request))
        detached.add((tcp, trailing))
        return UpgradedResponse()

    app = web.Application()
    app.router.add_get("/socket.io/", upgrade)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    try:
        writer.write(UPGRADE + b"trailing")
        ((tcp, trailing),) = await detached.count(1)
        assert trailing == b"trailing", f"{CHANGED}set_parser passes on the bytes behind the request"
        writer.write(b"later")
        await until(lambda: protocol.received)
        assert protocol.received == b"later"
        tcp.write(b"response")
        async with asyncio.timeout(TIMEOUT_S):
            assert await reader.readexactly(8) == b"response", f"{CHANGED}UpgradedResponse writes to the connection"
        assert runner.server is not None
        assert runner.server.connections == [], f"{CHANGED}connection_lost unregisters the connection"
        gc.collect()
        kept = [reference() for reference in references if reference() is not None]
        assert not kept, f"{CHANGED}the request is kept"
        assert not protocol.is_lost
    finally:
        writer.close()
        await writer.wait_closed()
        await runner.cleanup()
    await until(lambda: protocol.is_lost)


async def test_response_to_the_upgrade_counts_neither_as_a_packet_nor_in_bytes() -> None:
    counts: list[int] = []

    def make_receiver(session: EngineSession) -> PacketReceiver:
        counts.append(server.io.stats.packets_out)
        return SocketIOConnection(session, {})

    async with serve() as server:
        server.io._make_receiver = make_receiver
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE)
        async with asyncio.timeout(TIMEOUT_S):
            await reader.readuntil(b"\r\n\r\n")
            head = await reader.readexactly(2)
            open_packet = await reader.readexactly(head[1])
        assert open_packet.startswith(b'0{"sid"')
        assert counts == [0]  # a counter never decreases
        assert server.io.stats.packets_out == 1
        assert server.io.stats.bytes_out == len(head + open_packet)
        writer.close()
