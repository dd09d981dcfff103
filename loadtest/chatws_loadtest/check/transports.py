"""Checks of the health endpoints and the transports."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import msgspec

from chatws.client.mapping import CompiledMapping, ServerMapping, ServerTranslator
from chatws.client.mapping.paths import compile_path
from chatws.wire import engineio
from chatws.wire.client_packets import connect_packet
from chatws_loadtest.check.check_context import CheckContext
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import addition_check, guide_check, require
from chatws_loadtest.raw_client import ConnectErrorReceived, Fields, PacketMissing

BAD_REQUEST = 400
OK = 200


@guide_check("health.answers", "GET /health returns 200 with JSON")
async def _health(context: CheckContext) -> None:
    status, body = await context.get(_health_path(context))
    require(status == OK and isinstance(body, dict), f"the status is {status}")


@guide_check("health.connections", "GET /health counts the WebSocket connections")
async def _health_connections(context: CheckContext) -> None:
    path = context.mapping.server.health_connections
    if not path:
        raise NotOffered("the mapping names no number of connections")
    await context.customer()
    _, body = await context.get(_health_path(context))
    connections = compile_path(path)([body])
    require(isinstance(connections, int) and connections >= 1, f"there is no count at {path}: {body}")


@addition_check("health.ready", "GET /ready reports whether requests can be served")
async def _ready(context: CheckContext) -> None:
    await _get_offered(context, "/ready")


@addition_check("health.metrics", "GET /metrics has metrics for Prometheus")
async def _metrics(context: CheckContext) -> None:
    text = await _get_offered(context, "/metrics")
    require("# TYPE" in str(text), "there is no metric in it")


@addition_check("rest.described", "GET /openapi.json describes the REST routes")
async def _openapi(context: CheckContext) -> None:
    document = await _get_offered(context, "/openapi.json")
    require(isinstance(document, dict) and "paths" in document, "it is not an OpenAPI document")


@guide_check("transport.websocket", "a WebSocket opens, with a handshake that has sid and heartbeat")
async def _websocket(context: CheckContext) -> None:
    client = await context.connect(context.auth())
    require(
        {"sid", "pingInterval", "pingTimeout"} <= client.open_packet.keys(), f"the handshake is {client.open_packet}"
    )


@guide_check("transport.heartbeat", "the heartbeat detects a dead connection within two minutes")
async def _heartbeat(context: CheckContext) -> None:
    client = await context.connect(context.auth())
    times = [client.open_packet.get(name) for name in ("pingInterval", "pingTimeout")]
    milliseconds = [time for time in times if isinstance(time, int)]
    require(len(milliseconds) == len(times) and 0 < sum(milliseconds) <= 120_000, f"it takes {times} ms")  # noqa: PLR2004


@guide_check("transport.polling", "polling works from the handshake to an event")
async def _polling(context: CheckContext) -> None:
    request = ServerTranslator(CompiledMapping(context.mapping)).connect(context.auth())
    begin = context.engine_url("polling", context.auth())
    async with context.http.get(begin, headers=request.headers) as response:
        require(response.status == OK, f"the status of the handshake is {response.status}")
        handshake: Fields = msgspec.json.decode((await response.text())[1:])
    address = f"{begin}&sid={handshake['sid']}"
    connect = connect_packet(request.auth, request.namespace)
    async with context.http.post(address, data=connect.decode(), headers=request.headers) as response:
        require(response.status == OK, f"the status of CONNECT is {response.status}")
    received = ""
    async with asyncio.timeout(context.reply_timeout_s):
        while _first_event(context.mapping) not in received:
            async with context.http.get(address, headers=request.headers) as response:
                require(response.status == OK, f"the status of a poll is {response.status}")
                received += await response.text()
    # An open session would keep the customer online during later checks.
    async with context.http.post(address, data=engineio.EnginePacketType.CLOSE.value) as response:
        require(response.status == OK, f"the status of CLOSE is {response.status}")


@guide_check("transport.upgrade", "a polling session upgrades to a WebSocket")
async def _upgrade(context: CheckContext) -> None:
    async with context.http.get(context.engine_url("polling", context.auth())) as response:
        handshake: Fields = msgspec.json.decode((await response.text())[1:])
    require("websocket" in str(handshake.get("upgrades")), "it offers no upgrade")
    address = f"{context.engine_url('websocket', context.auth())}&sid={handshake['sid']}"
    async with context.http.ws_connect(address) as socket:
        await socket.send_str("2probe")
        answer = await socket.receive_str(timeout=context.reply_timeout_s)
        require(answer == "3probe", f"the reply to the probe is {answer[:20]!r}")
        await socket.send_str(engineio.EnginePacketType.UPGRADE.value)


@guide_check("transport.version", "another version of the protocol is refused")
async def _version(context: CheckContext) -> None:
    status, _ = await context.get(f"{context.mapping.server.path}?EIO=3&transport=polling")
    require(status == BAD_REQUEST, f"the status is {status}")


@guide_check("transport.unknown", "an unknown transport is refused")
async def _unknown_transport(context: CheckContext) -> None:
    status, _ = await context.get(f"{context.mapping.server.path}?EIO=4&transport=pigeon")
    require(status == BAD_REQUEST, f"the status is {status}")


@guide_check("transport.stranger", "an unknown session id is refused")
async def _unknown_sid(context: CheckContext) -> None:
    status, _ = await context.get(f"{context.mapping.server.path}?EIO=4&transport=polling&sid=unknown")
    require(status == BAD_REQUEST, f"the status is {status}")


@guide_check("transport.garbage", "an invalid frame ends its connection and no other")
async def _garbage(context: CheckContext) -> None:
    healthy, broken = await context.customer(), await context.connect(context.auth(agent=True))
    await broken.send(b"4\x00{no packet")
    with suppress(TimeoutError):
        async with asyncio.timeout(context.reply_timeout_s):
            await broken.ended.wait()
    require(broken.ended.is_set(), "the connection stays open")
    await context.join(healthy)


@guide_check("transport.restart", "a connection that was cut can be opened again")
async def _restart(context: CheckContext) -> None:
    first = await context.customer()
    await first.close()
    await context.join(await context.customer())


@addition_check("limit.frame", "a frame far beyond the advertised size is refused")
async def _oversize(context: CheckContext) -> None:
    client = await context.customer()
    size = client.open_packet.get("maxPayload")
    if not isinstance(size, int):
        raise NotOffered("no maxPayload is advertised")
    await client.emit("no_such_event", "x" * (size + 1))
    with suppress(TimeoutError):
        async with asyncio.timeout(context.reply_timeout_s):
            await client.ended.wait()
    require(client.ended.is_set(), "it was accepted")


@addition_check("limit.origin", "pages of other origins cannot connect")
async def _origin(context: CheckContext) -> None:
    try:
        async with context.http.get(
            context.engine_url("polling"), headers={"Origin": "https://other.example"}
        ) as response:
            allowed = response.headers.get("Access-Control-Allow-Origin")
            status = response.status
    except (aiohttp.ClientError, ConnectErrorReceived, PacketMissing):
        return
    if status == OK and allowed in {"*", "https://other.example"}:
        raise NotOffered(f"any origin is allowed ({allowed}); set WEBSOCKET_CORS_ORIGIN")


def _health_path(context: CheckContext) -> str:
    if not context.mapping.server.health:
        raise NotOffered("the mapping names no health page")
    return context.mapping.server.health


def _first_event(mapping: ServerMapping) -> str:
    """Return a text that the server sends once it has accepted the credentials, or at least CONNECT."""
    if mapping.authenticated.source == "event" and mapping.auth.method != "event":
        return f'["{mapping.authenticated.event}"'
    return connect_packet(namespace=mapping.server.namespace).decode()


async def _get_offered(context: CheckContext, path: str) -> object:
    status, body = await context.get(path)
    if status != OK:
        raise NotOffered(f"GET {path} returned {status}")
    return body
