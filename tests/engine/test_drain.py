from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.events import DisconnectReason
from tests.engine.support import TIMEOUT_S, ValueRecorder, close_code, serve, until


async def test_draining_server_refuses_new_sessions_and_serves_open_ones() -> None:
    async with serve() as server:
        websocket = await server.open_websocket()
        sid = await server.open_polling()
        server.io.refuse_new(7)
        async with await server.get() as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "7")
        with pytest.raises(WSServerHandshakeError, match="503"):
            await server.open_websocket()
        await websocket.send_str('421["echo"]')
        assert await websocket.receive_str() == "431[]"
        await server.post(sid, '422["echo"]')
        assert await server.poll(sid) == ["432[]"]
        assert server.io.stats.refused_total["draining"] == 2


async def test_close_all_sends_waiting_packets_and_the_close_code() -> None:
    async with serve() as server:
        websockets = [await server.open_websocket() for _ in range(5)]
        pending = await server.open_polling()
        poll = asyncio.create_task(server.poll(pending))
        away = await server.open_polling()
        server.io.of("/").emit("server_draining", {"retryAfterMs": 5})
        assert await poll == ['42["server_draining",{"retryAfterMs":5}]']
        poll = asyncio.create_task(server.poll(pending))
        await until(lambda: server.io.sessions[pending].transport.is_polled)  # type: ignore[attr-defined] # polling
        await server.io.close_all(1012, batch=2, interval_s=0.001)
        for websocket in websockets:
            assert (await websocket.receive_str()).startswith('42["server_draining"')
            assert await close_code(websocket) == 1012
        assert await poll == ["6"]
        assert await server.poll(away) == ['42["server_draining",{"retryAfterMs":5}]']
        for sid in (pending, away):
            async with await server.get(sid) as response:
                assert response.status == 400
        assert {reason for _, reason in server.disconnects.items} == {"server shutting down"}
        assert len(server.disconnects.items) == 7


async def test_handlers_idle_returns_with_the_last_handler() -> None:
    release, entered = asyncio.Event(), ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket) -> None:
            entered.add(1)
            await release.wait()

    async with serve(prepare=prepare) as server:
        assert await server.io.handlers_idle(0)
        for _ in range(2):
            websocket = await server.open_websocket()
            await websocket.send_str('42["slow"]')
        await entered.count(2)
        assert not await server.io.handlers_idle(0.01)
        waiting = asyncio.create_task(server.io.handlers_idle(10))
        release.set()
        assert await waiting


async def test_polls_taken_returns_when_all_packets_are_fetched_or_dropped() -> None:
    async with serve() as server:
        taken, left = await server.open_polling(), await server.open_polling()
        assert await server.io.polls_taken(10)
        server.io.of("/").emit("server_draining")
        assert not await server.io.polls_taken(0.01)
        waiting = asyncio.create_task(server.io.polls_taken(10))
        assert await server.poll(taken) == ['42["server_draining"]']
        assert not waiting.done()
        server.io.sessions[left].abort(DisconnectReason.SLOW)
        assert await waiting


async def test_shutdown_closes_clients_and_leaves_no_task_or_timer() -> None:
    async with serve(EngineOptions(linger_s=0.05)) as server:
        websocket = await server.open_websocket()
        await server.open_polling()
        io = server.io
        await io.close()
        assert await close_code(websocket) == 1012
    assert (io.session_count, io._context.task_count) == (0, 0)


async def test_shutdown_does_not_wait_for_a_handler_that_ignores_cancellation() -> None:
    entered, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("hold")
        async def hold(_socket: Socket) -> None:
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    entered.add(1)
                    await release.wait()

    async with serve(EngineOptions(linger_s=0.05), prepare) as server:
        websocket = await server.open_websocket()
        await websocket.send_str('42["hold"]')
        await entered.count(1)
        await server.io.close_all()
        async with asyncio.timeout(TIMEOUT_S):
            await server.io._context.shut_down(0.05)
        assert len(entered.items) == 2
        release.set()
        await until(lambda: not server.io._context.task_count)
