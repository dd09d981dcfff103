from __future__ import annotations

import asyncio
import json

from aiohttp import ClientWebSocketResponse

from chatws.engine import EngineOptions, Socket
from tests.engine.support import EngineTestServer, serve, until


async def open_sockets(server: EngineTestServer, number: int) -> list[tuple[ClientWebSocketResponse, Socket]]:
    """Open WebSockets; return each with its socket on the server."""
    websockets = [await server.open_websocket() for _ in range(number)]
    return list(zip(websockets, server.io.of("/").sockets.values(), strict=True))


async def received_events(websocket: ClientWebSocketResponse) -> list[object]:
    """Return the events that arrived before the response to an echo."""
    await websocket.send_str('420["echo"]')
    events: list[object] = []
    while (text := await websocket.receive_str()) != "430[]":
        events.append(json.loads(text[2:])[0])
    return events


async def test_event_reaches_every_member_exactly_once(server: EngineTestServer) -> None:
    pairs = await open_sockets(server, 4)
    main = server.io.of("/")
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
    assert await received_events(pairs[0][0]) == ["both", "b-only", "not-2", "all", "not-3"]
    assert await received_events(pairs[1][0]) == ["both", "not-b", "not-2", "all", "not-3"]
    assert await received_events(pairs[2][0]) == ["both", "not-b", "all", "not-3"]
    assert await received_events(pairs[3][0]) == ["all"]


async def test_room_exists_while_it_has_members(server: EngineTestServer) -> None:
    (first, one), (_, two) = await open_sockets(server, 2)
    main = server.io.of("/")
    one.join("a")
    one.join("a")
    two.join("a")
    two.join("b")
    assert (main.room_count, main.room_size("a"), set(main.room_members("a"))) == (2, 2, {one, two})
    two.leave("b")
    two.leave("b")
    assert (main.room_count, two.rooms) == (1, {"a"})
    await first.close()
    await server.disconnects.count(1)
    assert main.room_members("a") == (two,)
    one.join("late")
    assert main.room_count == 1


async def test_polling_and_websocket_members_get_the_same_events(server: EngineTestServer) -> None:
    websocket = await server.open_websocket()
    sid = await server.open_polling()
    server.io.of("/").emit("note", {"text": "€"})
    assert await websocket.receive_str() == '42["note",{"text":"€"}]'
    assert await server.poll(sid) == ['42["note",{"text":"€"}]']


async def test_mass_disconnect_removes_all_rooms() -> None:
    async with serve(EngineOptions()) as server:
        pairs = await open_sockets(server, 200)
        main = server.io.of("/")
        for index, (_, socket) in enumerate(pairs):
            socket.join(f"own-{index}")
            socket.join("shared")
        await asyncio.gather(*(websocket.close() for websocket, _ in pairs))
        await server.disconnects.count(200)
        assert len({socket_id for socket_id, _ in server.disconnects.items}) == 200
        assert (main.room_count, len(main.sockets), server.io.session_count) == (0, 0, 0)
        await until(lambda: not server.io._context.write_monitor)
        assert server.io.outbox_bytes() == (0, 0)
