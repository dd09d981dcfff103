from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError

from chatws.engine import EngineOptions, Server, Socket
from chatws.wire.frames import client_frame
from tests.engine.support import TIMEOUT_S, EngineTestServer, ValueRecorder, close_code, serve, until


@pytest.mark.parametrize("pause", [2, 3, 5])
async def test_upgrade_under_load_keeps_all_packets_in_order(pause: int) -> None:
    """Both sides send continuously from before the probe until well after the switch, as npm's client would."""
    handled = ValueRecorder()
    total = 300

    def prepare(io: Server) -> None:
        @io.of("/").on("up")
        async def up(_socket: Socket, number: int) -> None:
            await asyncio.sleep(0)
            handled.add(number)

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        stream = asyncio.create_task(emit_slowly(server, total, pause))
        received: list[str] = []
        probing = asyncio.create_task(probe(server, sid))
        sent = 0
        while not probing.done() or not received:
            received += await server.poll(sid)
            await server.post(sid, f'42["up",{sent}]\x1e42["up",{sent + 1}]')
            sent += 2
        websocket = await probing
        assert not stream.done()
        await websocket.send_str("5")
        for number in range(sent, total):
            await websocket.send_str(f'42["up",{number}]')
        received = [packet for packet in received if packet != "6"]
        before = len(received)
        while len(received) < total:
            received.append(await websocket.receive_str())
        assert 0 < before < total
        assert received == [f'42["down",{number}]' for number in range(total)]
        assert await handled.count(total) == list(range(total))
        await stream


async def emit_slowly(server: EngineTestServer, total: int, pause: int) -> None:
    """Broadcast numbers, with a pause after every few."""
    for number in range(total):
        server.io.of("/").emit("down", number)
        await asyncio.sleep(0.002 if number % pause == 0 else 0)


async def probe(server: EngineTestServer, sid: str) -> ClientWebSocketResponse:
    """Open the WebSocket and complete its probe."""
    websocket = await server.open_websocket(connect=False, sid=sid)
    await websocket.send_str("2probe")
    assert await websocket.receive_str() == "3probe"
    return websocket


async def test_packets_waiting_at_the_switch_are_sent_first(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    websocket = await probe(server, sid)
    server.io.of("/").emit("note", 1)
    server.io.of("/").emit("note", 2)
    await websocket.send_str("5")
    await websocket.send_str('421["echo"]')
    assert [await websocket.receive_str() for _ in range(3)] == ['42["note",1]', '42["note",2]', "431[]"]


async def test_probe_releases_the_pending_poll_and_later_ones(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    pending = asyncio.create_task(server.poll(sid))
    (session,) = server.io.sessions.values()
    await until(lambda: getattr(session.transport, "is_polled", False))
    websocket = await probe(server, sid)
    assert await pending == ["6"]
    assert await server.poll(sid) == ["6"]
    server.io.of("/").emit("note")
    assert await server.poll(sid) == ['42["note"]']
    await websocket.send_str("5")
    await websocket.send_str('421["echo"]')
    assert await websocket.receive_str() == "431[]"


async def test_posted_events_are_handled_before_those_of_the_websocket() -> None:
    handled, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on("step")
        async def step(_socket: Socket, number: int) -> None:
            await release.wait()
            handled.add(number)

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        await server.post(sid, '42["step",1]\x1e42["step",2]')
        websocket = await probe(server, sid)
        await websocket.send_str("5")
        await websocket.send_str('42["step",3]')
        await until(lambda: server.io.stats.upgrades == 1)
        release.set()
        assert await handled.count(3) == [1, 2, 3]


async def test_call_started_on_polling_is_answered_on_websocket() -> None:
    answers = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on("ask")
        async def ask(socket: Socket) -> None:
            answers.add(await socket.call("question"))

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling()
        await server.post(sid, '42["ask"]')
        assert await server.poll(sid) == ['421["question"]']
        websocket = await probe(server, sid)
        await websocket.send_str("5")
        await websocket.send_str("431[1]")
        assert await answers.count(1) == [[1]]


@pytest.mark.parametrize("packets", [["garbage"], ["5"], ["2"], ["2probe", "4x"], ["2probe", "2probe"], []])
async def test_failed_probe_leaves_the_session_on_polling(packets: list[str]) -> None:
    async with serve(EngineOptions(upgrade_timeout_s=0.4)) as server:
        sid = await server.open_polling()
        websocket = await server.open_websocket(connect=False, sid=sid)
        for packet in packets:
            await websocket.send_str(packet)
        assert await close_code(websocket) == 1002
        await server.post(sid, '421["echo"]')
        assert await server.poll(sid) == ["431[]"]
        again = await probe(server, sid)
        await again.send_str("5")
        await again.send_str('421["echo"]')
        assert await again.receive_str() == "431[]"


async def test_second_websocket_of_a_session_is_closed_and_the_first_continues(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    first = await probe(server, sid)
    during = await server.open_websocket(connect=False, sid=sid)
    assert await close_code(during) == 1002
    await first.send_str("5")
    await until(lambda: server.io.stats.upgrades == 1)
    after = await server.open_websocket(connect=False, sid=sid)
    assert await close_code(after) == 1002
    async with await server.get(sid) as poll, await server.post(sid, "3") as post:
        assert (poll.status, post.status) == (400, 400)
    await first.send_str('421["echo"]')
    assert await first.receive_str() == "431[]"


async def test_upgrade_of_an_unknown_session_is_refused(server: EngineTestServer) -> None:
    with pytest.raises(WSServerHandshakeError, match="400"):
        await server.open_websocket(connect=False, sid="unknown")


async def test_session_closed_during_the_probe_closes_the_websocket(server: EngineTestServer) -> None:
    sid = await server.open_polling()
    websocket = await probe(server, sid)
    await server.post(sid, "1")
    await server.disconnects.count(1)
    await websocket.send_str("5")
    assert await close_code(websocket) == 1002


@pytest.mark.parametrize("burst", [["3"] * 1_100, ['431["' + "x" * 65_500 + '"]']], ids=["pongs", "ack"])
async def test_reading_resumes_after_a_large_burst_at_the_switch(server: EngineTestServer, burst: list[str]) -> None:
    """The burst pauses reading before the session is attached, and is handled completely afterwards."""
    sid = await server.open_polling()
    websocket = await probe(server, sid)
    (client,) = server.io.of("/").sockets.values()
    call = asyncio.create_task(client.call("question"))
    assert await server.poll(sid) == ['421["question"]']
    send_at_once(websocket, ["5", *burst, '427["echo"]'])
    assert await websocket.receive_str(timeout=TIMEOUT_S) == "437[]"
    await websocket.send_str("431[]")
    await call


def send_at_once(websocket: ClientWebSocketResponse, texts: list[str]) -> None:
    """Send in as few segments as possible."""
    websocket._writer.transport.write(b"".join(client_frame(text.encode(), b"abcd") for text in texts))
