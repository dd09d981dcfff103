from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest
import socketio

from chatws.engine import ConnectRefused, EngineOptions, Server, Socket
from chatws.wire.frames import client_frame
from tests.engine.support import PATIENCE_S, UPGRADE, Recorder, close_code, eventually, serve


def refuse_without_token(io: Server) -> None:
    @io.of("/").on_connect
    async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
        socket.join("everybody")
        if auth is None or b"token" not in bytes(auth):
            raise ConnectRefused("Not authorized", {"code": "unauthorized"})


async def test_what_is_emitted_while_connecting_comes_after_the_answer() -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            socket.join("room")
            socket.emit("first", auth)
            await asyncio.sleep(0)
            io.of("/").to("room").emit("second")

    async with serve(prepare=prepare) as running:
        websocket = await running.open_websocket(connect=False)
        await websocket.send_str('40{"token":"x"}')
        got = [await websocket.receive_str() for _ in range(3)]
        assert got[0].startswith('40{"sid":"')
        assert got[1:] == ['42["first",{"token":"x"}]', '42["second"]']


async def test_public_id_is_not_the_transports_secret() -> None:
    async with serve() as running:
        sid = await running.open_polling()
        (socket,) = running.io.of("/").sockets.values()
        assert socket.id != sid


async def test_refused_client_hears_why_and_its_transport_is_closed(
    faithful: socketio.AsyncClient, transports: list[str]
) -> None:
    async with serve(prepare=refuse_without_token) as running:
        why = Recorder()
        faithful.on("connect_error", why.add)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await faithful.connect(running.url, transports=transports)
        assert why.items == [{"message": "Not authorized", "data": {"code": "unauthorized"}}]
        await eventually(lambda: running.io.session_count == 0)
        assert running.ended.items == []
        assert running.io.of("/").room_count == 0


async def test_refused_session_takes_no_further_attempts() -> None:
    async with serve(prepare=refuse_without_token) as running:
        websocket = await running.open_websocket(connect=False)
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("44{")
        await websocket.send_str('40{"token":"x"}')
        assert await close_code(websocket) == 1000
        assert running.io.of("/").sockets == {}


async def test_fault_while_connecting_is_a_refusal_without_details() -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(_socket: Socket, _auth: msgspec.Raw | None) -> None:
            raise RuntimeError("secret")

    async with serve(prepare=prepare) as running:
        websocket = await running.open_websocket(connect=False)
        await websocket.send_str("40")
        assert await websocket.receive_str() == '44{"message":"Internal error","data":{"code":"internal"}}'


async def test_undeclared_namespace_is_refused_and_the_session_goes_on() -> None:
    async with serve() as running:
        websocket = await running.open_websocket(connect=False)
        await websocket.send_str("40/nowhere,")
        assert await websocket.receive_str() == '44/nowhere,{"message":"Invalid namespace"}'
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("40{")


async def test_namespaces_of_one_session_live_apart() -> None:
    def prepare(io: Server) -> None:
        io.of("/admin")

    async with serve(prepare=prepare) as running:
        websocket = await running.open_websocket()
        await websocket.send_str("40/admin,")
        assert (await websocket.receive_str()).startswith("40/admin,{")
        running.io.of("/admin").emit("note", 1)
        assert await websocket.receive_str() == '42/admin,["note",1]'
        await websocket.send_str("41/admin,")
        await websocket.send_str('421["echo",1]')
        assert await websocket.receive_str() == "431[1]"
        assert running.io.of("/admin").sockets == {}


@pytest.mark.parametrize("packet", [None, "40"], ids=["silent", "held"])
async def test_session_that_is_not_admitted_in_time_is_closed(packet: str | None) -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.hold_admission()

        @io.of("/").on_unadmitted
        def too_late(socket: Socket) -> None:
            socket.emit("error", {"code": "unauthorized"})

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as running:
        websocket = await running.open_websocket(connect=False)
        if packet is not None:
            await websocket.send_str(packet)
            assert (await websocket.receive_str()).startswith("40{")
            assert await websocket.receive_str() == '42["error",{"code":"unauthorized"}]'
            assert await websocket.receive_str() == "41"
        assert await close_code(websocket) == (1008 if packet is None else 1000)
        assert running.io.unadmitted_count == 0


async def test_held_polling_client_reads_its_disconnect_before_the_transport_ends() -> None:
    """In one poll together npm's client would see the end first, and come back."""

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.hold_admission()

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as running:
        sid = await running.open_polling()
        assert await running.poll(sid) == ["41"]
        assert await running.poll(sid) == ["1"]


async def test_admitted_session_outlives_the_deadline() -> None:
    deadline = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            if auth is not None:
                socket.hold_admission()

        @io.of("/").on("authenticate")
        async def authenticate(socket: Socket) -> None:
            socket.admit()

        io.of("/").on_unadmitted(deadline.add)

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as running:
        plain = await running.open_websocket()
        late = await running.open_websocket(connect=False)
        await late.send_str("40{}")
        await late.receive_str()
        await late.send_str('421["authenticate"]')
        assert await late.receive_str() == "431[]"
        assert running.io.unadmitted_count == 0
        held = await running.open_websocket(connect=False)
        await held.send_str("40{}")
        await deadline.count(1)
        for websocket in (plain, late):
            await websocket.send_str('421["echo"]')
            assert await websocket.receive_str() == "431[]"


async def test_server_disconnect_is_final_for_the_client(faithful: socketio.AsyncClient, transports: list[str]) -> None:
    """Official clients reconnect after a transport close, never after DISCONNECT."""
    async with serve() as running:
        reasons = Recorder()
        faithful.on("disconnect", reasons.add)
        await faithful.connect(running.url, transports=transports)
        await faithful.call("echo")
        (socket,) = running.io.of("/").sockets.values()
        socket.disconnect()
        assert await reasons.count(1) == [faithful.reason.SERVER_DISCONNECT]
        await eventually(lambda: running.io.session_count == 0)
        assert running.ended.items == [(socket.id, "server namespace disconnect")]
        assert running.io.stats.opened_total.total() == 1


async def test_closed_transport_brings_the_client_back_by_itself(
    faithful: socketio.AsyncClient, transports: list[str]
) -> None:
    async with serve() as running:
        connects = Recorder()
        faithful.on("connect", lambda: connects.add(1))
        await faithful.connect(running.url, transports=transports)
        await faithful.call("echo")
        (socket,) = running.io.of("/").sockets.values()
        socket.close_transport(1012)
        await connects.count(2)
        assert running.ended.items == [(socket.id, "forced server close")]


async def _break_off(websocket: Any) -> None:
    websocket._writer.transport.abort()


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (lambda ws: ws.send_str("41"), "client namespace disconnect"),
        (lambda ws: ws.send_str("1"), "transport close"),
        (lambda ws: ws.close(), "transport close"),
        (_break_off, "transport close"),
        (lambda ws: ws.send_str("4x"), "parse error"),
    ],
    ids=["disconnect", "close-packet", "close-frame", "broken-off", "garbage"],
)
async def test_end_is_told_exactly_once_with_its_reason(leave: Any, reason: str) -> None:
    async with serve() as running:
        websocket = await running.open_websocket()
        (socket,) = running.io.of("/").sockets.values()
        socket.join("room")
        await leave(websocket)
        await running.ended.count(1)
        await websocket.close()
    assert running.ended.items == [(socket.id, reason)]
    assert running.io.of("/").room_count == 0


async def test_socket_whose_session_ends_while_it_connects_is_ended_once() -> None:
    entered, release = Recorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.join("room")
            entered.add(socket)
            await release.wait()
            socket.join("later")

    async with serve(prepare=prepare) as running:
        sid = await running.open_polling(connect=False)
        await running.post(sid, "40")
        (socket,) = await entered.count(1)
        await running.post(sid, "garbage")
        await eventually(lambda: running.io.session_count == 0)
        release.set()
        await running.ended.count(1)
        assert running.ended.items == [(socket.id, "transport close")]
        assert running.io.of("/").room_count == 0
        assert running.io.of("/").sockets == {}


async def test_connects_behind_a_refused_one_are_not_asked_about(transports: list[str]) -> None:
    asked = Recorder()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(_socket: Socket, _auth: msgspec.Raw | None) -> None:
            asked.add("again")
            await asyncio.sleep(0)
            raise ConnectRefused("Not authorized")

    async with serve(prepare=prepare) as running:
        if transports[0] == "polling":
            sid = await running.open_polling(connect=False)
            await running.post(sid, "40\x1e40\x1e40")
        else:
            websocket = await running.open_websocket(connect=False)
            websocket._writer.transport.write(client_frame(b"40", b"abcd") * 3)
        await eventually(lambda: running.io.stats.closed_total["refused"] == 1)
        assert asked.items == ["again"]


async def test_packets_sent_before_the_client_knew_of_its_disconnect_are_no_breach() -> None:
    async with serve() as running:
        websocket = await running.open_websocket()
        (socket,) = running.io.of("/").sockets.values()
        socket.disconnect(close=False)
        await websocket.send_str('42["echo",1]')
        assert await websocket.receive_str() == "41"
        await websocket.send_str("40")
        assert (await websocket.receive_str(timeout=PATIENCE_S)).startswith("40{")
        await websocket.send_str('421["echo",2]')
        assert await websocket.receive_str() == "431[2]"


async def test_access_log_tells_of_an_upgrade(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aiohttp.access")
    async with serve(access_log=logging.getLogger("aiohttp.access")) as running:
        await running.open_websocket()
        await eventually(lambda: caplog.messages)
    assert '" 101 0 "' in caplog.messages[0]


@pytest.mark.parametrize("connection", [b"Upgrade", b"keep-alive, Upgrade", b"keep-alive\r\nConnection: Upgrade"])
async def test_frames_sent_along_with_the_handshake_are_handled(connection: bytes) -> None:
    upgrade = UPGRADE.replace(b"Connection: Upgrade", b"Connection: " + connection)
    async with serve() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(upgrade + client_frame(b"40", b"abcd") + client_frame(b'427["echo",1]', b"abcd"))
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert b"40{" in await reader.readuntil(b"437[1]")
        writer.close()


@pytest.mark.parametrize(
    ("header", "instead"),
    [
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8"),
        (b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Key: AAAA"),
        (b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"X-Key: none"),
        (b"Connection: Upgrade", b"Connection: keep-alive"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: x", b"Host: x\r\nContent-Length: 9"),
        (b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked"),
        (b"EIO=4", b"EIO=4&sid=unknown"),
        (b"EIO=4", b"EIO=3"),
        (b"transport=websocket", b"transport=polling"),
    ],
    ids=["version", "key-size", "no-key", "connection", "http-1.0", "body", "chunked", "sid", "revision", "polling"],
)
async def test_handshake_that_is_none_is_refused_and_keeps_no_place(
    header: bytes, instead: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The frames behind it are no requests, each of which aiohttp would log with a traceback."""
    body = b"0\r\n\r\n" if b"chunked" in instead else b""
    frames = body + client_frame(b"40", b"abcd") + client_frame(bytes(range(256)), b"wxyz")
    async with serve() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(UPGRADE.replace(header, instead) + frames)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        assert answer.partition(b"\r\n")[0].endswith(b" 400 Bad Request")
        assert answer.count(b" 400 Bad Request\r\n") == 1
        assert (running.io.session_count, running.io.unadmitted_count) == (0, 0)
        writer.close()
    assert not [record for record in caplog.records if record.exc_info]
