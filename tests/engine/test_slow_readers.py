from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chatws.engine import EngineOptions, Server, Socket
from chatws.wire.frames import client_frame
from tests.engine.support import (
    TIMEOUT_S,
    ValueRecorder,
    make_contexts,
    open_stalled_client,
    open_stalled_tls_client,
    serve,
    until,
)

SMALL = EngineOptions(send_buffer_bytes=4096, max_outbox_bytes=64 * 1024, write_stall_s=0.3)


async def test_client_over_the_write_buffer_limit_is_disconnected() -> None:
    async with serve(SMALL) as server:
        stalled = await open_stalled_client(server)
        other = await server.open_websocket()
        sent = 0
        while not server.disconnects.items:
            assert sent < 1000
            server.io.of("/").emit("note", "x" * 1000)
            sent += 1
            assert (await other.receive_str()).startswith('42["note"')
        assert [reason for _, reason in server.disconnects.items] == ["slow"]
        assert server.io.stats.slow_closed == 1
        assert server.io.outbox_bytes()[1] < SMALL.max_outbox_bytes
        await until(lambda: not server.io._context.write_monitor)
        stalled.close()


async def test_stalled_client_that_sends_pongs_is_disconnected() -> None:
    """The write buffer is below its limit: only the write timeout detects it."""
    async with serve(SMALL) as server:
        stalled = await open_stalled_client(server)
        server.io.of("/").emit("note", "x" * 60_000)
        while not server.disconnects.items:
            await asyncio.get_running_loop().sock_sendall(stalled, client_frame(b"3", b"abcd"))
            await asyncio.sleep(0.05)
        assert server.disconnects.items[0][1] == "slow"
        stalled.close()


async def test_stalled_client_that_sends_pongs_is_disconnected_under_tls(tmp_path: Path) -> None:
    """The unsent bytes are already encrypted: only the kernel counts them."""
    server_side, trust = make_contexts(tmp_path)
    # A longer timeout: the bytes pass through threads, which a busy machine delays.
    async with serve(replace(SMALL, write_stall_s=2.0), tls=server_side) as server:
        with (
            await asyncio.to_thread(open_stalled_tls_client, server, trust) as stalled,
            await asyncio.to_thread(open_stalled_tls_client, server, trust) as other,
        ):
            await until(lambda: len(server.io.of("/").sockets) == 2)
            server.io.of("/").emit("note", "x" * 30_000)
            reading = asyncio.create_task(asyncio.to_thread(read_bytes, other, 30_000))
            while not server.disconnects.items:
                await asyncio.to_thread(stalled.sendall, client_frame(b"3", b"abcd"))
                await asyncio.sleep(0.05)
            await reading
            assert [reason for _, reason in server.disconnects.items] == ["slow"]
            assert server.io.session_count == 1
            await until(lambda: not server.io._context.write_monitor)


def read_bytes(reader: ssl.SSLSocket, size: int) -> None:
    """Read at least ``size`` bytes; blocks."""
    while size > 0:
        size -= len(reader.recv(65_536))


async def test_slow_but_steady_reader_stays_connected() -> None:
    """The client reads some bytes between two checks of the monitor, for longer than the write timeout."""
    async with serve(SMALL) as server:
        stalled = await open_stalled_client(server)
        loop = asyncio.get_running_loop()
        server.io.of("/").emit("note", "x" * 60_000)
        for _ in range(12):
            await loop.sock_recv(stalled, 4096)
            await asyncio.sleep(0.05)
        assert not server.disconnects.items
        while server.io.outbox_bytes()[0]:
            await loop.sock_recv(stalled, 65536)
        stalled.close()


async def test_blocked_loop_disconnects_no_client() -> None:
    """A blocked loop passes no bytes to the kernel, so that even a fast client seems to be stalled."""
    async with serve(SMALL) as server:
        slow = await open_stalled_client(server)
        server.io.of("/").emit("note", "x" * 60_000)
        monitor = server.io._context.write_monitor
        await until(lambda: monitor._ran_s > 0)
        time.sleep(1.5 * SMALL.write_stall_s)  # noqa: ASYNC251  blocks the loop, which is under test
        while server.io.outbox_bytes()[0]:
            await asyncio.get_running_loop().sock_recv(slow, 65_536)
        assert not server.disconnects.items
        slow.close()


async def test_ack_larger_than_the_limit_reaches_a_client_that_reads() -> None:
    """A client that requests many large acks at once is slowed down, not disconnected."""

    def prepare(io: Server) -> None:
        @io.of("/").on("page")
        async def page(_socket: Socket) -> str:
            return "x" * 300_000

    async with serve(SMALL, prepare) as server:
        websocket = await server.open_websocket()
        for number in range(5):
            await websocket.send_str(f'42{number}["page"]')
        for number in range(5):
            answer = await websocket.receive_str(timeout=TIMEOUT_S)
            assert answer.startswith(f"43{number}")
            assert len(answer) > 300_000
        assert not server.disconnects.items


async def test_polling_client_over_the_outbox_limit_is_closed() -> None:
    async with serve(SMALL) as server:
        await server.open_polling()
        for _ in range(140):
            server.io.of("/").emit("note", "x" * 1000)
        await server.disconnects.count(1)
        assert server.disconnects.items[0][1] == "slow"


async def test_polling_client_that_stops_polling_for_its_acks_is_closed() -> None:
    async with serve(EngineOptions(write_stall_s=0.1)) as server:
        sid = await server.open_polling()
        text = "x" * 30_000
        for _ in range(4):
            async with await server.post(sid, f'421["echo","{text}"]'):
                pass
        await server.disconnects.count(1)
        assert server.disconnects.items[0][1] == "slow"


async def test_unread_poll_response_aborts_the_connection() -> None:
    options = EngineOptions(max_outbox_bytes=0, write_stall_s=0.3)
    async with serve(options) as server:
        sid = await server.open_polling()
        for _ in range(100):
            server.io.of("/").emit("note", "x" * 100_000)
        bare = socket.socket()
        bare.setblocking(False)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(bare, ("127.0.0.1", server.port))
        request = f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(bare, request.encode())
        await server.disconnects.count(1)
        assert server.disconnects.items[0][1] == "slow"
        bare.close()


@pytest.mark.parametrize("limit", [0, 64 * 1024])
async def test_reading_client_gets_every_event(limit: int) -> None:
    async with serve(EngineOptions(max_outbox_bytes=limit)) as server:
        websocket = await server.open_websocket()
        received = ValueRecorder()

        async def read() -> None:
            while True:
                received.add(await websocket.receive_str())

        reading = asyncio.create_task(read())
        for _ in range(50):
            server.io.of("/").emit("note", "x" * 10_000)
            await asyncio.sleep(0)
        await received.count(50)
        reading.cancel()


async def test_close_of_a_stalled_client_ends_its_socket_once() -> None:
    async with serve(SMALL) as server:
        stalled = await open_stalled_client(server)
        (slow,) = server.io.of("/").sockets.values()
        for _ in range(50):
            slow.emit("note", "x" * 10_000)
        slow.close_transport()
        assert [reason for _, reason in server.disconnects.items] == ["slow"]
        assert server.io.stats.closed_total.total() == 1
        assert server.io._context.admission.open_count == 0
        stalled.close()
