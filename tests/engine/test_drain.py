from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp import WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.engine.disconnect_reason import DisconnectReason
from tests.engine.support import PATIENCE_S, Recorder, close_code, eventually, serve


async def test_draining_server_refuses_new_sessions_and_serves_the_old() -> None:
    async with serve() as running:
        websocket = await running.open_websocket()
        sid = await running.open_polling()
        running.io.refuse_new(7)
        async with await running.get() as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "7")
        with pytest.raises(WSServerHandshakeError, match="503"):
            await running.open_websocket()
        await websocket.send_str('421["echo"]')
        assert await websocket.receive_str() == "431[]"
        await running.post(sid, '422["echo"]')
        assert await running.poll(sid) == ["432[]"]
        assert running.io.stats.refused_total["draining"] == 2


async def test_closing_all_ends_every_session_with_its_code_and_last_words() -> None:
    async with serve() as running:
        websockets = [await running.open_websocket() for _ in range(5)]
        parked = await running.open_polling()
        poll = asyncio.create_task(running.poll(parked))
        away = await running.open_polling()
        running.io.of("/").emit("server_draining", {"retryAfterMs": 5})
        assert await poll == ['42["server_draining",{"retryAfterMs":5}]']
        poll = asyncio.create_task(running.poll(parked))
        await eventually(lambda: running.io._core.sessions[parked].link.is_polled)  # type: ignore[attr-defined] # polling
        await running.io.close_all(1012, batch=2, interval_s=0.001)
        for websocket in websockets:
            assert (await websocket.receive_str()).startswith('42["server_draining"')
            assert await close_code(websocket) == 1012
        assert await poll == ["6"]
        assert await running.poll(away) == ['42["server_draining",{"retryAfterMs":5}]']
        for sid in (parked, away):
            async with await running.get(sid) as response:
                assert response.status == 400
        assert {reason for _, reason in running.ended.items} == {"server shutting down"}
        assert len(running.ended.items) == 7


async def test_waiting_for_handlers_ends_with_the_last_one() -> None:
    release, entered = asyncio.Event(), Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("slow")
        async def slow(_socket: Socket) -> None:
            entered.add(1)
            await release.wait()

    async with serve(prepare=prepare) as running:
        assert await running.io.handlers_idle(0)
        for _ in range(2):
            websocket = await running.open_websocket()
            await websocket.send_str('42["slow"]')
        await entered.count(2)
        assert not await running.io.handlers_idle(0.01)
        waiting = asyncio.create_task(running.io.handlers_idle(10))
        release.set()
        assert await waiting


async def test_waiting_for_polls_ends_when_everything_was_taken_or_its_client_is_gone() -> None:
    async with serve() as running:
        taken, left = await running.open_polling(), await running.open_polling()
        assert await running.io.polls_taken(10)
        running.io.of("/").emit("server_draining")
        assert not await running.io.polls_taken(0.01)
        waiting = asyncio.create_task(running.io.polls_taken(10))
        assert await running.poll(taken) == ['42["server_draining"]']
        assert not waiting.done()
        running.io._core.sessions[left].abort(DisconnectReason.SLOW)
        assert await waiting


async def test_shutdown_closes_clients_and_leaves_no_task_or_timer() -> None:
    async with serve(EngineOptions(linger_s=0.05)) as running:
        websocket = await running.open_websocket()
        await running.open_polling()
        io = running.io
        await io.close()
        assert await close_code(websocket) == 1012
    assert (io.session_count, io._core._tasks) == (0, set())


async def test_end_does_not_wait_for_a_handler_that_will_not_be_cancelled() -> None:
    entered, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("hold")
        async def hold(_socket: Socket) -> None:
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    entered.add(1)
                    await release.wait()

    async with serve(EngineOptions(linger_s=0.05), prepare) as running:
        websocket = await running.open_websocket()
        await websocket.send_str('42["hold"]')
        await entered.count(1)
        await running.io.close_all()
        async with asyncio.timeout(PATIENCE_S):
            await running.io._core.finish(0.05)
        assert len(entered.items) == 2
        release.set()
        await eventually(lambda: not running.io._core._tasks)
