"""Checks of health pages and transports."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import msgspec

from chatws.wire import engineio, socketio
from chatws_loadtest.check.check_context import CheckContext
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.raw_client import ANSWER_S, ConnectErrorReceived, Fields, Missing
from chatws_loadtest.check.registry import addition, demand, guide

BAD_REQUEST = 400
OK = 200
POLLING = "/socket.io/?EIO=4&transport=polling"


@guide("health.answers", "GET /health answers 200 with JSON")
async def _health(world: CheckContext) -> None:
    status, body = await world.get("/health")
    demand(status == OK and isinstance(body, dict), f"it answered {status}")


@guide("health.connections", "/health counts the WebSocket connections")
async def _health_connections(world: CheckContext) -> None:
    await world.customer()
    _, body = await world.get("/health")
    part = body.get("websocket") if isinstance(body, dict) else None
    demand(isinstance(part, dict) and part.get("connections", 0) >= 1, f"`websocket` is {part}")


@addition("health.ready", "GET /ready says whether requests can be served")
async def _ready(world: CheckContext) -> None:
    await _offers(world, "/ready")


@addition("health.metrics", "GET /metrics has numbers for Prometheus")
async def _metrics(world: CheckContext) -> None:
    text = await _offers(world, "/metrics")
    demand("# TYPE" in str(text), "no metric in it")


@addition("rest.described", "GET /openapi.json describes the REST routes")
async def _openapi(world: CheckContext) -> None:
    document = await _offers(world, "/openapi.json")
    demand(isinstance(document, dict) and "paths" in document, "it is no OpenAPI document")


@guide("transport.websocket", "a WebSocket opens and is told its id and heartbeat")
async def _websocket(world: CheckContext) -> None:
    peer = await world.connect(world.auth())
    demand({"sid", "pingInterval", "pingTimeout"} <= peer.open_packet.keys(), f"the handshake is {peer.open_packet}")


@guide("transport.heartbeat", "the heartbeat finds a dead connection within two minutes")
async def _heartbeat(world: CheckContext) -> None:
    peer = await world.connect(world.auth())
    times = [peer.open_packet.get(name) for name in ("pingInterval", "pingTimeout")]
    milliseconds = [time for time in times if isinstance(time, int)]
    demand(len(milliseconds) == len(times) and 0 < sum(milliseconds) <= 120_000, f"it takes {times} ms")  # noqa: PLR2004


@guide("transport.polling", "polling works from the handshake to an event")
async def _polling(world: CheckContext) -> None:
    async with world.http.get(world.url + POLLING) as response:
        demand(response.status == OK, f"the handshake answered {response.status}")
        handshake: Fields = msgspec.json.decode((await response.text())[1:])
    address = f"{world.url}{POLLING}&sid={handshake['sid']}"
    connect = b"4" + socketio.encode_connect(payload=world.auth())
    async with world.http.post(address, data=connect.decode()) as response:
        demand(response.status == OK, f"CONNECT answered {response.status}")
    heard = ""
    async with asyncio.timeout(ANSWER_S):
        while "authenticated" not in heard:
            async with world.http.get(address) as response:
                demand(response.status == OK, f"a poll answered {response.status}")
                heard += await response.text()
    # Left open it would keep its customer online for the checks that follow.
    async with world.http.post(address, data=engineio.EnginePacketType.CLOSE.value) as response:
        demand(response.status == OK, f"the end was answered {response.status}")


@guide("transport.upgrade", "a polling connection moves to a WebSocket")
async def _upgrade(world: CheckContext) -> None:
    async with world.http.get(world.url + POLLING) as response:
        handshake: Fields = msgspec.json.decode((await response.text())[1:])
    demand("websocket" in str(handshake.get("upgrades")), "it offers no upgrade")
    address = f"{world.url}/socket.io/?EIO=4&transport=websocket&sid={handshake['sid']}"
    async with world.http.ws_connect(address) as socket:
        await socket.send_str("2probe")
        answer = await socket.receive_str(timeout=ANSWER_S)
        demand(answer == "3probe", f"the probe was answered {answer[:20]!r}")
        await socket.send_str(engineio.EnginePacketType.UPGRADE.value)


@guide("transport.version", "another version of the protocol is refused")
async def _version(world: CheckContext) -> None:
    status, _ = await world.get("/socket.io/?EIO=3&transport=polling")
    demand(status == BAD_REQUEST, f"it answered {status}")


@guide("transport.unknown", "an unknown transport is refused")
async def _unknown_transport(world: CheckContext) -> None:
    status, _ = await world.get("/socket.io/?EIO=4&transport=pigeon")
    demand(status == BAD_REQUEST, f"it answered {status}")


@guide("transport.stranger", "an unknown connection id is refused")
async def _stranger(world: CheckContext) -> None:
    status, _ = await world.get(f"{POLLING}&sid=nobody")
    demand(status == BAD_REQUEST, f"it answered {status}")


@guide("transport.garbage", "a frame that is no packet ends its connection and no other")
async def _garbage(world: CheckContext) -> None:
    healthy, broken = await world.customer(), await world.connect(world.auth(agent=True))
    await broken.send(b"4\x00{no packet")
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            await broken.ended.wait()
    demand(broken.ended.is_set(), "the connection goes on, as if it had been understood")
    await world.join(healthy)


@guide("transport.restart", "a connection that was cut can be opened again")
async def _again(world: CheckContext) -> None:
    first = await world.customer()
    await first.close()
    await world.join(await world.customer())


@addition("limit.frame", "a frame far beyond the advertised size is refused")
async def _oversize(world: CheckContext) -> None:
    peer = await world.customer()
    size = peer.open_packet.get("maxPayload")
    if not isinstance(size, int):
        raise NotOffered("no maxPayload is advertised")
    await peer.send(b'42["typing_start","' + b"x" * (size + 1) + b'"]')
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            await peer.ended.wait()
    demand(peer.ended.is_set(), "it was read")


@addition("limit.origin", "pages of other sites cannot connect")
async def _origin(world: CheckContext) -> None:
    try:
        async with world.http.get(world.url + POLLING, headers={"Origin": "https://elsewhere.example"}) as response:
            allowed = response.headers.get("Access-Control-Allow-Origin")
            status = response.status
    except (aiohttp.ClientError, ConnectErrorReceived, Missing):
        return
    if status == OK and allowed in {"*", "https://elsewhere.example"}:
        raise NotOffered(f"any origin is allowed ({allowed}); set WEBSOCKET_CORS_ORIGIN")


async def _offers(world: CheckContext, path: str) -> object:
    status, body = await world.get(path)
    if status != OK:
        raise NotOffered(f"GET {path} answered {status}")
    return body
