"""Closing of WebSocket connections: the TCP connection is closed soon after the session, in every order of events."""

from __future__ import annotations

import asyncio
import gc
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.websocket import WebSocketTransport
from chatws.wire.frames import Opcode, client_frame, close_payload
from tests.engine.support import (
    ValueRecorder,
    close_code,
    engine_objects,
    make_contexts,
    new_engine_objects,
    open_stalled_client,
    open_stalled_tls_client,
    serve,
    until,
)

NO_TIMEOUTS = EngineOptions(send_buffer_bytes=4096, linger_s=0.05)
"""Ping and write timeouts longer than a test."""


async def test_half_closed_client_that_reads_nothing_is_disconnected() -> None:
    async with serve(NO_TIMEOUTS) as server:
        stalled = await open_stalled_client(server)
        server.io.of("/").emit("note", "x" * 60_000)
        await until(lambda: server.io.outbox_bytes()[0])
        stalled.shutdown(socket.SHUT_WR)
        await server.disconnects.count(1)
        await until(lambda: not server.io._context.connections)
        stalled.close()


async def test_heartbeat_aborts_a_closing_connection_that_reads_nothing() -> None:
    """The event loop reports a closing connection as lost only when its bytes are sent."""
    async with serve(replace(NO_TIMEOUTS, ping_interval_s=0.05, ping_timeout_s=0.05)) as server:
        stalled = await open_stalled_client(server)
        (session,) = server.io.sessions.values()
        transport = session.transport
        assert isinstance(transport, WebSocketTransport)
        server.io.of("/").emit("note", "x" * 60_000)
        await until(lambda: server.io.outbox_bytes()[0])
        transport._tcp.close()
        await server.disconnects.count(1)
        await until(lambda: not server.io._context.connections)
        stalled.close()


async def test_connection_closed_by_both_ends_at_once_is_lost_under_tls(tmp_path: Path) -> None:
    server_side, trust = make_contexts(tmp_path)
    async with serve(NO_TIMEOUTS, tls=server_side) as server:
        with await asyncio.to_thread(open_stalled_tls_client, server, trust) as stalled:
            await until(lambda: server.io.of("/").sockets)
            (client,) = server.io.of("/").sockets.values()
            stalled.sendall(client_frame(close_payload(1000), b"abcd", Opcode.CLOSE))
            client.close_transport()
            await until(lambda: not server.io._context.connections)
            assert [reason for _, reason in server.disconnects.items] == ["forced server close"]


async def test_handler_that_outlives_its_connection_logs_nothing_under_tls(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server_side, trust = make_contexts(tmp_path)
    entered, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(client: Socket) -> None:
            entered.add(client)
            await release.wait()

    async with serve(NO_TIMEOUTS, prepare, tls=server_side) as server:
        with await asyncio.to_thread(open_stalled_tls_client, server, trust) as stalled:
            stalled.sendall(client_frame(b'42["wait"]', b"abcd"))
            await entered.count(1)
            entered.items[0].close_transport()
            await until(lambda: not server.io._context.connections)
            release.set()
            await until(lambda: not server.io._context.task_count)
    gc.collect()  # asyncio logs an unretrieved exception when its task is freed
    assert not [record for record in caplog.records if record.exc_info]


async def test_many_empty_frames_are_spread_over_iterations() -> None:
    """Send all frames before the server reads, so that it could read them in one or two iterations."""
    async with serve() as server:
        sender = await open_stalled_client(server)
        frames = client_frame(b"", b"abcd", Opcode.PONG) * 10_000
        sender.setblocking(True)
        sender.sendall(frames + client_frame(b'421["echo"]', b"abcd"))
        sender.setblocking(False)
        answer = asyncio.create_task(read_until(sender, b"431[]"))
        iterations = 0
        while not answer.done():
            iterations += 1
            await asyncio.sleep(0)
        assert iterations > len(frames) / 4096
        sender.close()


async def test_closes_of_many_clients_that_send_eof_are_spread_over_iterations() -> None:
    """Each close takes system calls: those of thousands in one iteration would delay all other clients."""
    async with serve(NO_TIMEOUTS) as server:
        clients = [await open_stalled_client(server) for _ in range(80)]
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        left = server.io.websocket_count
        closed_together = []
        while left:
            await asyncio.sleep(0)
            before, left = left, server.io.websocket_count
            closed_together.append(before - left)
        assert max(closed_together) < len(clients) / 2
        for client in clients:
            client.close()


async def read_until(bare: socket.socket, end: bytes) -> None:
    """Read until these bytes are received."""
    received = b""
    while end not in received:
        received += await asyncio.get_running_loop().sock_recv(bare, 4096)


class FailingWriteTransport:
    """asyncio transport whose ``write`` raises."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, _data: bytes) -> None:
        raise RuntimeError


async def test_failed_write_aborts_only_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as server:
        websockets = [await server.open_websocket() for _ in range(3)]
        transports = [socket._session.transport for socket in server.io.of("/").sockets.values()]
        broken = transports[1]
        assert isinstance(broken, WebSocketTransport)
        broken._tcp = FailingWriteTransport(broken._tcp)  # type: ignore[assignment] # used by flush only
        server.io.of("/").emit("note")
        for websocket in (websockets[0], websockets[2]):
            assert await websocket.receive_str() == '42["note"]'
        assert await close_code(websockets[1]) is None
        await server.disconnects.count(1)
        assert [record.msg for record in caplog.records] == ["engine.write_failed"]
        assert {id(left) for left in server.io._context.connections} == {id(transports[0]), id(transports[2])}
        for websocket in websockets:
            await websocket.close()


async def test_events_received_before_the_connection_was_lost_are_handled() -> None:
    """The server parses the events in chunks, and detects the lost connection when it writes the first response."""
    handled = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int, _text: str) -> None:
            handled.add(number)

    async with serve(NO_TIMEOUTS, prepare) as server:
        client = await open_stalled_client(server)
        frames = [client_frame(f'42{n}["step",{n},"{"x" * 1_000}"]'.encode(), b"abcd") for n in range(40)]
        await asyncio.get_running_loop().sock_sendall(client, b"".join(frames))
        client.close()
        await server.disconnects.count(1)
        assert handled.items == list(range(40))


async def test_closed_connections_are_freed_without_cycle_collection() -> None:
    """Collecting cycles of 20,000 closed sessions would block the loop for half a second."""
    async with serve() as server:
        gc.collect()
        gc.disable()
        try:
            before = engine_objects()
            websockets = [await server.open_websocket() for _ in range(6)]
            for websocket in websockets:
                await websocket.send_str('421["echo"]')
                assert await websocket.receive_str() == "431[]"
            await websockets[0].close()
            websockets[1]._writer.transport.abort()
            await websockets[2].send_str("garbage")
            websockets[3]._writer.transport.write(b"garbage")
            await server.io.close_all()
            for websocket in websockets[2:]:
                await websocket.close()
            await until(lambda: not new_engine_objects(before))
        finally:
            gc.enable()
