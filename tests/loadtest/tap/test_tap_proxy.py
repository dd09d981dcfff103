"""Proxy of a tap: transports, other HTTP, TLS, and ends that misbehave or die; 6 s."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
import struct
import urllib.request
from typing import TYPE_CHECKING

import aiohttp
import socketio
from aiohttp import web

from chatws_loadtest.tap.frame_splitter import MAX_FRAME_BYTES
from tests.loadtest.tap.tap_run import TIMEOUT_S, TapRun
from tests.support.certificate import make_certificate
from tests.support.peer import Peer
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.conftest import StartServer
    from tests.support.server import ServerProcess


async def test_polling_and_its_upgrade_are_one_connection(shared_server: ServerProcess) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    room = session["conversationId"]
    async with TapRun(shared_server.url) as tap:
        client = socketio.AsyncClient()
        await client.connect(tap.url, auth={"sessionId": session["sessionId"]}, wait_timeout=TIMEOUT_S)
        await tap.expect(type="upgrade")
        await client.call("join_conversation", room)
        await client.call("send_message", {"conversationId": room, "content": "hello"})
        await client.disconnect()
        await tap.expect(type="close")
    assert [(row.c, row.transport) for row in tap.find(type="open")] == [(1, "polling")]
    assert [(row.c, row.transport) for row in tap.find(type="upgrade")] == [(1, "websocket")]
    assert [row.ok for row in tap.find(type="ack", event="send_message", c=1)] == [True]
    assert [row.by for row in tap.find(type="close")] == ["client"]
    assert tap.find(type="flag") == []


async def test_client_without_websocket_is_analysed(shared_server: ServerProcess) -> None:
    session = await asyncio.to_thread(shared_server.new_session)
    room = session["conversationId"]
    async with TapRun(shared_server.url) as tap:
        client = socketio.AsyncClient()
        await client.connect(
            tap.url, auth={"sessionId": session["sessionId"]}, transports=["polling"], wait_timeout=TIMEOUT_S
        )
        await client.call("join_conversation", room)
        await client.call("send_message", {"conversationId": room, "content": "hello"})
        await tap.expect(type="in", event="message_received", message="m1")
        await client.disconnect()
        assert (await tap.expect(type="close")).by == "client"
    assert tap.find(type="ack", event="send_message")[0].message == "m1"
    assert tap.find(type="flag") == []


async def test_pages_and_rest_pass_through(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap, aiohttp.ClientSession() as http:
        async with http.get(f"{tap.url}/health", headers={"Origin": tap.url}) as response:
            direct = await asyncio.to_thread(read, f"{shared_server.url}/health")
            assert (response.status, sorted(await response.json())) == (200, sorted(json.loads(direct)))
        async with http.post(f"{tap.url}/api/sessions", json={}) as response:
            assert "sessionId" in await response.json()
        async with http.head(f"{tap.url}/health") as response:
            assert response.status == 200
        async with http.get(f"{tap.url}/nowhere?token=secret") as response:
            assert response.status == 404
        missing = await tap.expect(type="http", code=404)
    assert (missing.event, missing.ms is not None) == ("GET /nowhere", True)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - our own loopback address
        body: bytes = response.read()
    return body


async def test_target_that_is_no_socketio_server_gets_the_requests_as_sent() -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        body = await request.read()
        response = web.StreamResponse()  # in chunks
        await response.prepare(request)
        for start in range(0, len(body), 100_000):
            await response.write(body[start : start + 100_000])
        return response

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    body = bytes(range(256)) * 40_000

    async def pieces() -> object:
        for start in range(0, len(body), 77_777):
            yield body[start : start + 77_777]

    try:
        async with TapRun(url) as tap, aiohttp.ClientSession() as http:
            headers = {"Origin": tap.url}
            async with http.post(f"{tap.url}/files/1", data=io.BytesIO(body), headers=headers) as response:
                assert await response.read() == body
            async with http.post(
                f"{tap.url}/files/1", data=pieces(), headers={"Origin": "http://else.example"}
            ) as response:
                assert await response.read() == body
    finally:
        await runner.cleanup()
    assert [row["Origin"] for row in seen] == [url, "http://else.example"]
    assert {row["Host"] for row in seen} == {url.removeprefix("http://")}
    assert all("Accept-Encoding" not in row for row in seen)


async def test_server_that_is_down_and_returns(start_server: StartServer) -> None:
    server = start_server()
    async with TapRun(server.url) as tap:
        peer = await Peer.connect(tap.url, {"token": server.sign_token("agent-1")})
        await asyncio.to_thread(server.kill)
        await peer.wait_closed(TIMEOUT_S)
        assert (await tap.expect(type="close")).by == "server"
        async with aiohttp.ClientSession() as http, http.get(f"{tap.url}/health") as response:
            assert response.status == 502
            assert "cannot be reached: Connection refused" in await response.text()
        assert (await tap.expect(type="http", code=502)).error == "Connection refused"
        await asyncio.to_thread(server.start)
        again = await Peer.connect(tap.url, {"token": server.sign_token("agent-1")})
        await tap.expect(type="open", c=2)
        await again.close()
        await peer.close()


async def test_client_that_is_killed_ends_its_connection_to_the_server(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        peer = await Peer.connect(tap.url, {"token": shared_server.sign_token("agent-1")})
        peer.cut()
        assert (await tap.expect(type="close")).by == "client"
        await peer.close()


async def test_garbage_reaches_the_server_and_does_not_harm_others(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        peer = await Peer.connect(tap.url, {"token": shared_server.sign_token("agent-1")})
        for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\x00" * 100_000, b"GET / HTTP/1.1\r\nbad\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
            writer.write(garbage)
            writer.write_eof()
            async with asyncio.timeout(TIMEOUT_S):
                await reader.read()
            writer.close()
        await peer.settle()
        await peer.close()


async def open_socket(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket by hand, to send any bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_half_a_frame_is_forwarded_and_its_end_is_noticed(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        _, writer = await open_socket(tap.port)
        await tap.expect(type="open")
        writer.write(b"\x81\xfe\x01")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert (await tap.expect(type="close")).by == "client"


async def test_frame_that_is_too_large_is_forwarded_and_the_next_one_analysed() -> None:
    received: list[int] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        await ws.send_str('0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}')
        received.extend([len(message.data) async for message in ws])
        return ws

    app = web.Application()
    app.router.add_get("/socket.io/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    huge = 5 * MAX_FRAME_BYTES
    try:
        async with TapRun(f"http://127.0.0.1:{runner.addresses[0][1]}") as tap:
            peer = await Peer.open(tap.url)
            await peer.send_raw("4" * huge)
            await peer.send_raw('42["after"]')
            await tap.expect(type="out", event="after")
            await peer.close()
    finally:
        await runner.cleanup()
    assert received == [huge, len('42["after"]')]


async def test_port_without_a_server_at_the_start() -> None:
    async with TapRun(f"http://127.0.0.1:{free_port()}") as tap, aiohttp.ClientSession() as http:
        async with http.get(f"{tap.url}/socket.io/?EIO=4&transport=polling") as response:
            assert response.status == 502
        refused = await tap.expect(type="http", code=502)
    assert refused.transport == "polling"


async def test_target_with_tls_is_reached_by_its_name_and_its_certificate(
    tmp_path: Path, start_server: StartServer
) -> None:
    certificate = make_certificate(tmp_path, "DNS:localhost")
    server = start_server("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    url = f"https://localhost:{server.port}"
    async with TapRun(url, tls=ssl.create_default_context(cafile=str(certificate.cert))) as tap:
        peer = await Peer.connect(tap.url, {"token": server.sign_token("agent-1")}, headers={"Origin": tap.url})
        await tap.expect(type="in", event="authenticated")
        await peer.close()
    untrusting = TapRun(url, tls=ssl.create_default_context())
    async with untrusting as tap, aiohttp.ClientSession() as http, http.get(f"{tap.url}/health") as response:
        assert response.status == 502
        assert "self-signed certificate" in await response.text()


async def test_analysis_that_cannot_keep_up_leaves_frames_out_and_the_traffic_flows(
    shared_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatws_loadtest.tap.observation_stream.MAX_BYTES", 1000)
    session = await asyncio.to_thread(shared_server.new_session)
    async with TapRun(shared_server.url) as tap:
        peer = await Peer.connect(tap.url, {"sessionId": session["sessionId"]})
        await peer.call("join_conversation", session["conversationId"])
        # A single write, of which the queue holds a part.
        acks = [await peer.start("history", {"conversationId": session["conversationId"]}) for _ in range(200)]
        async with asyncio.timeout(TIMEOUT_S):
            assert all(ack["success"] or ack["error"]["code"] for ack in await asyncio.gather(*acks))
        skipped = await tap.expect(type="flag", flag="skipped")
        await peer.close()
    assert skipped.detail.endswith("frames were not analysed")
    assert {row.flag for row in tap.find(type="flag")} == {"skipped"}
