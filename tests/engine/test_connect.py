from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest
import socketio

from chatws.engine import ConnectRefused, EngineOptions, Server, Socket
from chatws.wire.frames import client_frame
from tests.engine.support import TIMEOUT_S, UPGRADE, ValueRecorder, close_code, serve, until


def refuse_without_token(io: Server) -> None:
    @io.of("/").on_connect
    async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
        socket.join("room")
        if auth is None or b"token" not in bytes(auth):
            raise ConnectRefused("Not authorized", {"code": "unauthorized"})


async def test_events_emitted_while_connecting_follow_the_connect_response() -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            socket.join("room")
            socket.emit("first", auth)
            await asyncio.sleep(0)
            io.of("/").to("room").emit("second")

    async with serve(prepare=prepare) as server:
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str('40{"token":"x"}')
        got = [await websocket.receive_str() for _ in range(3)]
        assert got[0].startswith('40{"sid":"')
        assert got[1:] == ['42["first",{"token":"x"}]', '42["second"]']


async def test_socket_id_is_not_the_secret_session_id() -> None:
    async with serve() as server:
        sid = await server.open_polling()
        (socket,) = server.io.of("/").sockets.values()
        assert socket.id != sid


async def test_refused_client_gets_the_reason_and_its_transport_is_closed(
    reconnecting_client: socketio.AsyncClient, transports: list[str]
) -> None:
    async with serve(prepare=refuse_without_token) as server:
        errors = ValueRecorder()
        reconnecting_client.on("connect_error", errors.add)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await reconnecting_client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        assert errors.items == [{"message": "Not authorized", "data": {"code": "unauthorized"}}]
        await until(lambda: server.io.session_count == 0)
        assert server.disconnects.items == []
        assert server.io.of("/").room_count == 0


async def test_refused_session_ignores_further_attempts() -> None:
    async with serve(prepare=refuse_without_token) as server:
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("44{")
        await websocket.send_str('40{"token":"x"}')
        assert await close_code(websocket) == 1000
        assert server.io.of("/").sockets == {}


async def test_exception_while_connecting_is_a_refusal_without_details() -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(_socket: Socket, _auth: msgspec.Raw | None) -> None:
            raise RuntimeError("secret")

    async with serve(prepare=prepare) as server:
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str("40")
        assert await websocket.receive_str() == '44{"message":"Internal error","data":{"code":"internal"}}'


async def test_unknown_namespace_is_refused_and_the_session_continues() -> None:
    async with serve() as server:
        websocket = await server.open_websocket(connect=False)
        await websocket.send_str("40/nowhere,")
        assert await websocket.receive_str() == '44/nowhere,{"message":"Invalid namespace"}'
        await websocket.send_str("40")
        assert (await websocket.receive_str()).startswith("40{")


async def test_namespaces_of_one_session_are_independent() -> None:
    def prepare(io: Server) -> None:
        io.of("/admin")

    async with serve(prepare=prepare) as server:
        websocket = await server.open_websocket()
        await websocket.send_str("40/admin,")
        assert (await websocket.receive_str()).startswith("40/admin,{")
        server.io.of("/admin").emit("note", 1)
        assert await websocket.receive_str() == '42/admin,["note",1]'
        await websocket.send_str("41/admin,")
        await websocket.send_str('421["echo",1]')
        assert await websocket.receive_str() == "431[1]"
        assert server.io.of("/admin").sockets == {}


@pytest.mark.parametrize("packet", [None, "40"], ids=["silent", "held"])
async def test_session_that_is_not_admitted_in_time_is_closed(packet: str | None) -> None:
    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.hold_admission()

        @io.of("/").on_unadmitted
        def unadmitted(socket: Socket) -> None:
            socket.emit("error", {"code": "unauthorized"})

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as server:
        websocket = await server.open_websocket(connect=False)
        if packet is not None:
            await websocket.send_str(packet)
            assert (await websocket.receive_str()).startswith("40{")
            assert await websocket.receive_str() == '42["error",{"code":"unauthorized"}]'
            assert await websocket.receive_str() == "41"
        assert await close_code(websocket) == (1008 if packet is None else 1000)
        assert server.io.unadmitted_count == 0


async def test_unadmitted_polling_client_gets_disconnect_before_close() -> None:
    """The close follows in a later poll: in the same poll npm's client would handle it first, and reconnect."""

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.hold_admission()

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as server:
        sid = await server.open_polling()
        assert await server.poll(sid) == ["41"]
        assert await server.poll(sid) == ["1"]


async def test_admitted_session_is_not_closed_at_the_deadline() -> None:
    deadline = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, auth: msgspec.Raw | None) -> None:
            if auth is not None:
                socket.hold_admission()

        @io.of("/").on("authenticate")
        async def authenticate(socket: Socket) -> None:
            socket.admit()

        io.of("/").on_unadmitted(deadline.add)

    async with serve(EngineOptions(admission_timeout_s=0.3), prepare) as server:
        plain = await server.open_websocket()
        late = await server.open_websocket(connect=False)
        await late.send_str("40{}")
        await late.receive_str()
        await late.send_str('421["authenticate"]')
        assert await late.receive_str() == "431[]"
        assert server.io.unadmitted_count == 0
        held = await server.open_websocket(connect=False)
        await held.send_str("40{}")
        await deadline.count(1)
        for websocket in (plain, late):
            await websocket.send_str('421["echo"]')
            assert await websocket.receive_str() == "431[]"


async def test_server_disconnect_is_final_for_the_client(
    reconnecting_client: socketio.AsyncClient, transports: list[str]
) -> None:
    """Official clients reconnect after a transport close, never after DISCONNECT."""
    async with serve() as server:
        reasons = ValueRecorder()
        reconnecting_client.on("disconnect", reasons.add)
        await reconnecting_client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        await reconnecting_client.call("echo")
        (socket,) = server.io.of("/").sockets.values()
        socket.disconnect()
        assert await reasons.count(1) == [reconnecting_client.reason.SERVER_DISCONNECT]
        await until(lambda: server.io.session_count == 0)
        assert server.disconnects.items == [(socket.id, "server namespace disconnect")]
        assert server.io.stats.opened_total.total() == 1


async def test_client_reconnects_by_itself_after_its_transport_is_closed(
    reconnecting_client: socketio.AsyncClient, transports: list[str]
) -> None:
    async with serve() as server:
        connects = ValueRecorder()
        reconnecting_client.on("connect", lambda: connects.add(1))
        await reconnecting_client.connect(server.url, transports=transports, wait_timeout=TIMEOUT_S)
        await reconnecting_client.call("echo")
        (socket,) = server.io.of("/").sockets.values()
        socket.close_transport(1012)
        await connects.count(2)
        assert server.disconnects.items == [(socket.id, "forced server close")]


async def _abort_connection(websocket: Any) -> None:
    websocket._writer.transport.abort()


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (lambda ws: ws.send_str("41"), "client namespace disconnect"),
        (lambda ws: ws.send_str("1"), "transport close"),
        (lambda ws: ws.close(), "transport close"),
        (_abort_connection, "transport close"),
        (lambda ws: ws.send_str("4x"), "parse error"),
    ],
    ids=["disconnect", "close-packet", "close-frame", "broken-off", "garbage"],
)
async def test_disconnect_handler_is_called_once_with_the_reason(leave: Any, reason: str) -> None:
    async with serve() as server:
        websocket = await server.open_websocket()
        (socket,) = server.io.of("/").sockets.values()
        socket.join("room")
        await leave(websocket)
        await server.disconnects.count(1)
        await websocket.close()
    assert server.disconnects.items == [(socket.id, reason)]
    assert server.io.of("/").room_count == 0


async def test_socket_whose_session_closes_while_connecting_disconnects_once() -> None:
    entered, release = ValueRecorder(), asyncio.Event()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(socket: Socket, _auth: msgspec.Raw | None) -> None:
            socket.join("room")
            entered.add(socket)
            await release.wait()
            socket.join("later")

    async with serve(prepare=prepare) as server:
        sid = await server.open_polling(connect=False)
        await server.post(sid, "40")
        (socket,) = await entered.count(1)
        await server.post(sid, "garbage")
        await until(lambda: server.io.session_count == 0)
        release.set()
        await server.disconnects.count(1)
        assert server.disconnects.items == [(socket.id, "transport close")]
        assert server.io.of("/").room_count == 0
        assert server.io.of("/").sockets == {}


async def test_connects_behind_a_refused_one_are_ignored(transports: list[str]) -> None:
    attempts = ValueRecorder()

    def prepare(io: Server) -> None:
        @io.of("/").on_connect
        async def connect(_socket: Socket, _auth: msgspec.Raw | None) -> None:
            attempts.add("attempt")
            await asyncio.sleep(0)
            raise ConnectRefused("Not authorized")

    async with serve(prepare=prepare) as server:
        if transports[0] == "polling":
            sid = await server.open_polling(connect=False)
            await server.post(sid, "40\x1e40\x1e40")
        else:
            websocket = await server.open_websocket(connect=False)
            websocket._writer.transport.write(client_frame(b"40", b"abcd") * 3)
        await until(lambda: server.io.stats.closed_total["refused"] == 1)
        assert attempts.items == ["attempt"]


async def test_packets_sent_before_disconnect_arrived_are_no_protocol_error() -> None:
    async with serve() as server:
        websocket = await server.open_websocket()
        (socket,) = server.io.of("/").sockets.values()
        socket.disconnect(close=False)
        await websocket.send_str('42["echo",1]')
        assert await websocket.receive_str() == "41"
        await websocket.send_str("40")
        assert (await websocket.receive_str(timeout=TIMEOUT_S)).startswith("40{")
        await websocket.send_str('421["echo",2]')
        assert await websocket.receive_str() == "431[2]"


async def test_access_log_has_the_upgrade(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aiohttp.access")
    async with serve(access_log=logging.getLogger("aiohttp.access")) as server:
        await server.open_websocket()
        await until(lambda: caplog.messages)
    assert '" 101 0 "' in caplog.messages[0]


@pytest.mark.parametrize("connection", [b"Upgrade", b"keep-alive, Upgrade", b"keep-alive\r\nConnection: Upgrade"])
async def test_frames_sent_with_the_handshake_are_handled(connection: bytes) -> None:
    upgrade = UPGRADE.replace(b"Connection: Upgrade", b"Connection: " + connection)
    async with serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(upgrade + client_frame(b"40", b"abcd") + client_frame(b'427["echo",1]', b"abcd"))
        async with asyncio.timeout(TIMEOUT_S):
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
async def test_invalid_handshake_is_refused_and_keeps_no_slot(
    header: bytes, instead: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Frames behind the handshake are not parsed as requests; aiohttp would log each with a traceback."""
    body = b"0\r\n\r\n" if b"chunked" in instead else b""
    frames = body + client_frame(b"40", b"abcd") + client_frame(bytes(range(256)), b"wxyz")
    async with serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE.replace(header, instead) + frames)
        async with asyncio.timeout(TIMEOUT_S):
            answer = await reader.read()
        assert answer.partition(b"\r\n")[0].endswith(b" 400 Bad Request")
        assert answer.count(b" 400 Bad Request\r\n") == 1
        assert (server.io.session_count, server.io.unadmitted_count) == (0, 0)
        writer.close()
    assert not [record for record in caplog.records if record.exc_info]
