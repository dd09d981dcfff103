"""A WebSocket's TCP connection is gone soon after its end, however the two sides came to it."""

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
    Recorder,
    close_code,
    eventually,
    kept,
    left_since,
    make_contexts,
    open_deaf,
    open_deaf_over_tls,
    serve,
)

PATIENT = EngineOptions(send_buffer_bytes=4096, linger_s=0.05)
"""Neither the heartbeat nor the watch over slow readers ends anything within a test."""


async def test_client_that_sends_no_more_and_takes_nothing_is_cut_off() -> None:
    async with serve(PATIENT) as running:
        deaf = await open_deaf(running)
        running.io.of("/").emit("note", "x" * 60_000)
        await eventually(lambda: running.io.outbox_bytes()[0])
        deaf.shutdown(socket.SHUT_WR)
        await running.ended.count(1)
        await eventually(lambda: not running.io._core.connections)
        deaf.close()


async def test_heartbeat_cuts_a_connection_that_is_closed_but_takes_nothing() -> None:
    """The loop waits for the bytes to go before it tells that a closed connection is gone."""
    async with serve(replace(PATIENT, ping_interval_s=0.05, ping_timeout_s=0.05)) as running:
        deaf = await open_deaf(running)
        (link,) = running.io._core.connections
        running.io.of("/").emit("note", "x" * 60_000)
        await eventually(lambda: running.io.outbox_bytes()[0])
        link._transport.close()
        await running.ended.count(1)
        await eventually(lambda: not running.io._core.connections)
        deaf.close()


async def test_connection_that_both_ends_close_at_once_is_gone_under_tls(tmp_path: Path) -> None:
    server_side, trust = make_contexts(tmp_path)
    async with serve(PATIENT, tls=server_side) as running:
        with await asyncio.to_thread(open_deaf_over_tls, running, trust) as deaf:
            await eventually(lambda: running.io.of("/").sockets)
            (client,) = running.io.of("/").sockets.values()
            deaf.sendall(client_frame(close_payload(1000), b"abcd", Opcode.CLOSE))
            client.close_transport()
            await eventually(lambda: not running.io._core.connections)
            assert [reason for _, reason in running.ended.items] == ["forced server close"]


async def test_handler_that_outlives_its_connection_ends_quietly_under_tls(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server_side, trust = make_contexts(tmp_path)
    entered, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("wait")
        async def wait(client: Socket) -> None:
            entered.add(client)
            await release.wait()

    async with serve(PATIENT, prepare, tls=server_side) as running:
        with await asyncio.to_thread(open_deaf_over_tls, running, trust) as deaf:
            deaf.sendall(client_frame(b'42["wait"]', b"abcd"))
            await entered.count(1)
            entered.items[0].close_transport()
            await eventually(lambda: not running.io._core.connections)
            release.set()
            await eventually(lambda: not running.io._core._tasks)
    gc.collect()  # only then is a task's lost exception told
    assert not [record for record in caplog.records if record.exc_info]


async def test_flood_of_empty_frames_leaves_every_turn_to_others_too() -> None:
    """Sent before the server reads any of them, so that it could read all in a turn or two."""
    async with serve() as running:
        flooder = await open_deaf(running)
        flood = client_frame(b"", b"abcd", Opcode.PONG) * 10_000
        flooder.setblocking(True)
        flooder.sendall(flood + client_frame(b'421["echo"]', b"abcd"))
        flooder.setblocking(False)
        answer = asyncio.create_task(read_until(flooder, b"431[]"))
        turns = 0
        while not answer.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > len(flood) / 4096
        flooder.close()


async def read_until(bare: socket.socket, end: bytes) -> None:
    """Read on until these bytes have come."""
    heard = b""
    while end not in heard:
        heard += await asyncio.get_running_loop().sock_recv(bare, 4096)


class Unwritable:
    """A transport whose writing fails, as no transport of a loop does on demand."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, _data: bytes) -> None:
        raise RuntimeError


async def test_connection_whose_writing_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as running:
        websockets = [await running.open_websocket() for _ in range(3)]
        links = [socket._client.session.link for socket in running.io.of("/").sockets.values()]
        broken = links[1]
        assert isinstance(broken, WebSocketTransport)
        broken._transport = Unwritable(broken._transport)  # type: ignore[assignment] # what flush needs of one
        running.io.of("/").emit("note")
        for websocket in (websockets[0], websockets[2]):
            assert await websocket.receive_str() == '42["note"]'
        assert await close_code(websockets[1]) is None
        await running.ended.count(1)
        assert [record.msg for record in caplog.records] == ["engine.write_failed"]
        assert running.io._core.connections == {links[0], links[2]}
        for websocket in websockets:
            await websocket.close()


async def test_events_that_came_before_the_connection_broke_off_are_handled() -> None:
    """They are read a few per turn, and the answer to the first of them shows that nobody is there any more."""
    handled = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int, _text: str) -> None:
            handled.add(number)

    async with serve(PATIENT, prepare) as running:
        client = await open_deaf(running)
        frames = [client_frame(f'42{n}["step",{n},"{"x" * 1_000}"]'.encode(), b"abcd") for n in range(40)]
        await asyncio.get_running_loop().sock_sendall(client, b"".join(frames))
        client.close()
        await running.ended.count(1)
        assert handled.items == list(range(40))


async def test_ended_connections_are_freed_without_a_search_for_cycles() -> None:
    """Which thousands of them would make a pause of half a second."""
    async with serve() as running:
        gc.collect()
        gc.disable()
        try:
            others = kept()
            websockets = [await running.open_websocket() for _ in range(6)]
            for websocket in websockets:
                await websocket.send_str('421["echo"]')
                assert await websocket.receive_str() == "431[]"
            await websockets[0].close()
            websockets[1]._writer.transport.abort()
            await websockets[2].send_str("garbage")
            websockets[3]._writer.transport.write(b"garbage")
            await running.io.close_all()
            for websocket in websockets[2:]:
                await websocket.close()
            await eventually(lambda: not left_since(others))
        finally:
            gc.enable()
