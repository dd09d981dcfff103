from __future__ import annotations

import asyncio
import json

from aiohttp import ClientWebSocketResponse

from chatws.engine import EngineOptions, Socket
from tests.engine.support import Running, eventually, serve


async def open_sockets(running: Running, number: int) -> list[tuple[ClientWebSocketResponse, Socket]]:
    """Open WebSockets and pair each with its socket on the server."""
    websockets = [await running.open_websocket() for _ in range(number)]
    return list(zip(websockets, running.io.of("/").sockets.values(), strict=True))


async def heard(websocket: ClientWebSocketResponse) -> list[object]:
    """Give the events that arrived before the echo asked for here."""
    await websocket.send_str('420["echo"]')
    events: list[object] = []
    while (text := await websocket.receive_str()) != "430[]":
        events.append(json.loads(text[2:])[0])
    return events


async def test_event_reaches_every_member_once_and_nobody_else(running: Running) -> None:
    pairs = await open_sockets(running, 4)
    main = running.io.of("/")
    for _, socket in pairs[:3]:
        socket.join("a")
    pairs[0][1].join("b")
    assert main.to("a", "b").emit("both") == 3
    assert main.to("b").emit("b-only") == 1
    assert main.to("nowhere").emit("lost") == 0
    assert main.to("a").except_room("b").emit("not-b") == 2
    assert main.to("a").except_sockets([pairs[2][1]]).emit("not-2") == 2
    assert main.emit("all") == 4
    assert main.except_sockets([pairs[3][1]]).emit("not-3") == 3
    assert await heard(pairs[0][0]) == ["both", "b-only", "not-2", "all", "not-3"]
    assert await heard(pairs[1][0]) == ["both", "not-b", "not-2", "all", "not-3"]
    assert await heard(pairs[2][0]) == ["both", "not-b", "all", "not-3"]
    assert await heard(pairs[3][0]) == ["all"]


async def test_rooms_count_their_members_and_vanish_with_the_last(running: Running) -> None:
    (first, one), (_, two) = await open_sockets(running, 2)
    main = running.io.of("/")
    one.join("a")
    one.join("a")
    two.join("a")
    two.join("b")
    assert (main.room_count, main.room_size("a"), set(main.room_members("a"))) == (2, 2, {one, two})
    two.leave("b")
    two.leave("b")
    assert (main.room_count, two.rooms) == (1, {"a"})
    await first.close()
    await running.ended.count(1)
    assert main.room_members("a") == (two,)
    one.join("late")
    assert main.room_count == 1


async def test_polling_and_websocket_members_hear_the_same(running: Running) -> None:
    websocket = await running.open_websocket()
    sid = await running.open_polling()
    running.io.of("/").emit("note", {"text": "€"})
    assert await websocket.receive_str() == '42["note",{"text":"€"}]'
    assert await running.poll(sid) == ['42["note",{"text":"€"}]']


async def test_everybody_leaving_at_once_leaves_nothing_behind() -> None:
    async with serve(EngineOptions()) as running:
        pairs = await open_sockets(running, 200)
        main = running.io.of("/")
        for index, (_, socket) in enumerate(pairs):
            socket.join(f"own-{index}")
            socket.join("shared")
        await asyncio.gather(*(websocket.close() for websocket, _ in pairs))
        await running.ended.count(200)
        assert len({socket_id for socket_id, _ in running.ended.items}) == 200
        assert (main.room_count, len(main.sockets), running.io.session_count) == (0, 0, 0)
        await eventually(lambda: not running.io._core.stalls._progress)
        assert running.io.outbox_bytes() == (0, 0)
