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
    PATIENCE_S,
    Recorder,
    eventually,
    make_contexts,
    open_deaf,
    open_deaf_over_tls,
    serve,
)

SMALL = EngineOptions(send_buffer_bytes=4096, max_outbox_bytes=64 * 1024, write_stall_s=0.3)


async def test_client_for_whom_too_much_waits_is_cut_off_and_forgotten() -> None:
    async with serve(SMALL) as running:
        deaf = await open_deaf(running)
        neighbour = await running.open_websocket()
        sent = 0
        while not running.ended.items:
            assert sent < 1000
            running.io.of("/").emit("note", "x" * 1000)
            sent += 1
            assert (await neighbour.receive_str()).startswith('42["note"')
        assert [reason for _, reason in running.ended.items] == ["slow"]
        assert running.io.stats.slow_closed == 1
        assert running.io.outbox_bytes()[1] < SMALL.max_outbox_bytes
        await eventually(lambda: not running.io._core.stalls._progress)
        deaf.close()


async def test_client_that_pongs_but_takes_nothing_is_cut_off() -> None:
    """Too little waits for the outbox's bound: only the stalled write tells."""
    async with serve(SMALL) as running:
        deaf = await open_deaf(running)
        running.io.of("/").emit("note", "x" * 60_000)
        while not running.ended.items:
            await asyncio.get_running_loop().sock_sendall(deaf, client_frame(b"3", b"abcd"))
            await asyncio.sleep(0.05)
        assert running.ended.items[0][1] == "slow"
        deaf.close()


async def test_client_that_pongs_but_takes_nothing_is_cut_off_under_tls(tmp_path: Path) -> None:
    """What waits is hidden below the encryption: only the kernel can tell."""
    server_side, trust = make_contexts(tmp_path)
    # Slower than the others: the neighbour's bytes pass through threads, which a busy machine lets wait.
    async with serve(replace(SMALL, write_stall_s=2.0), tls=server_side) as running:
        with (
            await asyncio.to_thread(open_deaf_over_tls, running, trust) as deaf,
            await asyncio.to_thread(open_deaf_over_tls, running, trust) as neighbour,
        ):
            await eventually(lambda: len(running.io.of("/").sockets) == 2)
            running.io.of("/").emit("note", "x" * 30_000)
            reading = asyncio.create_task(asyncio.to_thread(read_bytes, neighbour, 30_000))
            while not running.ended.items:
                await asyncio.to_thread(deaf.sendall, client_frame(b"3", b"abcd"))
                await asyncio.sleep(0.05)
            await reading
            assert [reason for _, reason in running.ended.items] == ["slow"]
            assert running.io.session_count == 1
            await eventually(lambda: not running.io._core.stalls._progress)


def read_bytes(reader: ssl.SSLSocket, size: int) -> None:
    """Read so many bytes and more; blocks."""
    while size > 0:
        size -= len(reader.recv(65_536))


async def test_client_that_reads_slowly_but_steadily_stays() -> None:
    """It drains a little in every tick of the watch, for longer than a write may stall."""
    async with serve(SMALL) as running:
        deaf = await open_deaf(running)
        loop = asyncio.get_running_loop()
        running.io.of("/").emit("note", "x" * 60_000)
        for _ in range(12):
            await loop.sock_recv(deaf, 4096)
            await asyncio.sleep(0.05)
        assert not running.ended.items
        while running.io.outbox_bytes()[0]:
            await loop.sock_recv(deaf, 65536)
        deaf.close()


async def test_loop_that_stood_still_cuts_nobody_off() -> None:
    """It could not hand anybody's bytes to the kernel, however fast they were read."""
    async with serve(SMALL) as running:
        slow = await open_deaf(running)
        running.io.of("/").emit("note", "x" * 60_000)
        stalls = running.io._core.stalls
        await eventually(lambda: stalls._ran_s > 0)
        time.sleep(1.5 * SMALL.write_stall_s)  # noqa: ASYNC251  that is what is tested
        while running.io.outbox_bytes()[0]:
            await asyncio.get_running_loop().sock_recv(slow, 65_536)
        assert not running.ended.items
        slow.close()


async def test_answer_larger_than_the_outbox_reaches_a_client_that_reads() -> None:
    """And many of them asked for at once: the client is slowed down, not cut off."""

    def prepare(io: Server) -> None:
        @io.of("/").on("page")
        async def page(_socket: Socket) -> str:
            return "x" * 300_000

    async with serve(SMALL, prepare) as running:
        websocket = await running.open_websocket()
        for number in range(5):
            await websocket.send_str(f'42{number}["page"]')
        for number in range(5):
            answer = await websocket.receive_str(timeout=PATIENCE_S)
            assert answer.startswith(f"43{number}")
            assert len(answer) > 300_000
        assert not running.ended.items


async def test_polling_client_for_whom_too_much_waits_is_closed() -> None:
    async with serve(SMALL) as running:
        await running.open_polling()
        for _ in range(140):
            running.io.of("/").emit("note", "x" * 1000)
        await running.ended.count(1)
        assert running.ended.items[0][1] == "slow"


async def test_polling_client_that_asks_for_much_and_polls_no_more_is_closed() -> None:
    async with serve(EngineOptions(write_stall_s=0.1, ping_interval_s=0.05, ping_timeout_s=0.05)) as running:
        sid = await running.open_polling()
        text = "x" * 30_000
        for _ in range(4):
            async with await running.post(sid, f'421["echo","{text}"]'):
                pass
        await running.ended.count(1)
        assert running.ended.items[0][1] == "slow"


async def test_poll_answer_that_is_not_read_ends_the_connection() -> None:
    options = EngineOptions(max_outbox_bytes=0, write_stall_s=0.3)
    async with serve(options) as running:
        sid = await running.open_polling()
        for _ in range(100):
            running.io.of("/").emit("note", "x" * 100_000)
        bare = socket.socket()
        bare.setblocking(False)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(bare, ("127.0.0.1", running.port))
        request = f"GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(bare, request.encode())
        await running.ended.count(1)
        assert running.ended.items[0][1] == "slow"
        bare.close()


@pytest.mark.parametrize("limit", [0, 64 * 1024])
async def test_client_that_reads_hears_everything(limit: int) -> None:
    async with serve(EngineOptions(max_outbox_bytes=limit)) as running:
        websocket = await running.open_websocket()
        heard = Recorder()

        async def read() -> None:
            while True:
                heard.add(await websocket.receive_str())

        reading = asyncio.create_task(read())
        for _ in range(50):
            running.io.of("/").emit("note", "x" * 10_000)
            await asyncio.sleep(0)
        await heard.count(50)
        reading.cancel()


async def test_close_that_finds_the_client_too_slow_ends_it_once() -> None:
    async with serve(SMALL) as running:
        deaf = await open_deaf(running)
        (slow,) = running.io.of("/").sockets.values()
        for _ in range(50):
            slow.emit("note", "x" * 10_000)
        slow.close_transport()
        assert [reason for _, reason in running.ended.items] == ["slow"]
        assert running.io.stats.closed_total.total() == 1
        assert running.io._core.limits._open == 0
        deaf.close()
