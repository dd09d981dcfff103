from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.wire.frames import client_frame
from tests.engine.support import PATIENCE_S, Recorder, Running, close_code, eventually, serve


@pytest.mark.parametrize("pause", [2, 3, 5])
async def test_upgrade_in_mid_burst_loses_doubles_and_reorders_nothing(pause: int) -> None:
    """Both sides send without rest from before the probe until well after the switch, as npm's client would."""
    handled = Recorder()
    total = 300

    def prepare(io: Server) -> None:
        @io.of("/").on("up")
        async def up(_socket: Socket, number: int) -> None:
            await asyncio.sleep(0)
            handled.add(number)

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        stream = asyncio.create_task(emit_slowly(running, total, pause))
        heard: list[str] = []
        probing = asyncio.create_task(probe(running, sid))
        sent = 0
        while not probing.done() or not heard:
            heard += await running.poll(sid)
            await running.post(sid, f'42["up",{sent}]\x1e42["up",{sent + 1}]')
            sent += 2
        websocket = await probing
        assert not stream.done()
        await websocket.send_str("5")
        for number in range(sent, total):
            await websocket.send_str(f'42["up",{number}]')
        heard = [packet for packet in heard if packet != "6"]
        before = len(heard)
        while len(heard) < total:
            heard.append(await websocket.receive_str())
        assert 0 < before < total
        assert heard == [f'42["down",{number}]' for number in range(total)]
        assert await handled.count(total) == list(range(total))
        await stream


async def emit_slowly(running: Running, total: int, pause: int) -> None:
    """Emit numbers to everybody, with a rest after every few."""
    for number in range(total):
        running.io.of("/").emit("down", number)
        await asyncio.sleep(0.002 if number % pause == 0 else 0)


async def probe(running: Running, sid: str) -> ClientWebSocketResponse:
    """Open the second connection and have its probe answered."""
    websocket = await running.open_websocket(connect=False, sid=sid)
    await websocket.send_str("2probe")
    assert await websocket.receive_str() == "3probe"
    return websocket


async def test_what_waits_at_the_switch_goes_out_first_on_the_websocket(running: Running) -> None:
    sid = await running.open_polling()
    websocket = await probe(running, sid)
    running.io.of("/").emit("note", 1)
    running.io.of("/").emit("note", 2)
    await websocket.send_str("5")
    await websocket.send_str('421["echo"]')
    assert [await websocket.receive_str() for _ in range(3)] == ['42["note",1]', '42["note",2]', "431[]"]


async def test_parked_poll_is_released_by_the_probe_and_later_polls_at_once(running: Running) -> None:
    sid = await running.open_polling()
    parked = asyncio.create_task(running.poll(sid))
    (session,) = running.io._core.sessions.values()
    await eventually(lambda: getattr(session.link, "is_polled", False))
    websocket = await probe(running, sid)
    assert await parked == ["6"]
    assert await running.poll(sid) == ["6"]
    running.io.of("/").emit("note")
    assert await running.poll(sid) == ['42["note"]']
    await websocket.send_str("5")
    await websocket.send_str('421["echo"]')
    assert await websocket.receive_str() == "431[]"


async def test_posted_events_are_handled_before_those_of_the_websocket() -> None:
    handled, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await release.wait()
            handled.add(number)

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        await running.post(sid, '42["step",1]\x1e42["step",2]')
        websocket = await probe(running, sid)
        await websocket.send_str("5")
        await websocket.send_str('42["step",3]')
        await eventually(lambda: running.io.stats.upgrades == 1)
        release.set()
        assert await handled.count(3) == [1, 2, 3]


async def test_call_begun_on_polling_is_answered_on_the_websocket() -> None:
    answers = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> None:
            answers.add(await socket.call("question"))

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling()
        await running.post(sid, '42["ask"]')
        assert await running.poll(sid) == ['421["question"]']
        websocket = await probe(running, sid)
        await websocket.send_str("5")
        await websocket.send_str("431[1]")
        assert await answers.count(1) == [[1]]


@pytest.mark.parametrize("packets", [["garbage"], ["5"], ["2"], ["2probe", "4x"], ["2probe", "2probe"], []])
async def test_probe_that_fails_leaves_the_session_to_polling(packets: list[str]) -> None:
    async with serve(EngineOptions(upgrade_timeout_s=0.4)) as running:
        sid = await running.open_polling()
        websocket = await running.open_websocket(connect=False, sid=sid)
        for packet in packets:
            await websocket.send_str(packet)
        assert await close_code(websocket) == 1002
        await running.post(sid, '421["echo"]')
        assert await running.poll(sid) == ["431[]"]
        again = await probe(running, sid)
        await again.send_str("5")
        await again.send_str('421["echo"]')
        assert await again.receive_str() == "431[]"


async def test_second_websocket_of_a_session_is_closed_and_the_first_goes_on(running: Running) -> None:
    sid = await running.open_polling()
    first = await probe(running, sid)
    during = await running.open_websocket(connect=False, sid=sid)
    assert await close_code(during) == 1002
    await first.send_str("5")
    await eventually(lambda: running.io.stats.upgrades == 1)
    after = await running.open_websocket(connect=False, sid=sid)
    assert await close_code(after) == 1002
    async with await running.get(sid) as poll, await running.post(sid, "3") as post:
        assert (poll.status, post.status) == (400, 400)
    await first.send_str('421["echo"]')
    assert await first.receive_str() == "431[]"


async def test_upgrade_of_an_unknown_session_is_refused(running: Running) -> None:
    with pytest.raises(WSServerHandshakeError, match="400"):
        await running.open_websocket(connect=False, sid="unknown")


async def test_session_that_ends_during_the_probe_takes_the_websocket_with_it(running: Running) -> None:
    sid = await running.open_polling()
    websocket = await probe(running, sid)
    await running.post(sid, "1")
    await running.ended.count(1)
    await websocket.send_str("5")
    assert await close_code(websocket) == 1002


@pytest.mark.parametrize("burst", [["3"] * 1_100, ['431["' + "x" * 65_500 + '"]']], ids=["pongs", "ack"])
async def test_connection_stays_open_to_its_client_after_much_came_with_the_switch(
    running: Running, burst: list[str]
) -> None:
    """So much that reading is paused before the session is carried, and nothing of it waits afterwards."""
    sid = await running.open_polling()
    websocket = await probe(running, sid)
    (client,) = running.io.of("/").sockets.values()
    call = asyncio.create_task(client.call("question"))
    assert await running.poll(sid) == ['421["question"]']
    send_at_once(websocket, ["5", *burst, '427["echo"]'])
    assert await websocket.receive_str(timeout=PATIENCE_S) == "437[]"
    await websocket.send_str("431[]")
    await call


def send_at_once(websocket: ClientWebSocketResponse, texts: list[str]) -> None:
    """Send in one segment, or as few as there must be."""
    websocket._writer.transport.write(b"".join(client_frame(text.encode(), b"abcd") for text in texts))
