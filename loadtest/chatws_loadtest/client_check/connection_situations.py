"""Situations of lost, refused and silent connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from chatws.engine.errors import ConnectRefused
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import ServerDraining
from chatws.wire.errors import CloseCode
from chatws.wire.frames import server_frame
from chatws_loadtest.check.errors import CheckFailed
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.registry import situation
from chatws_loadtest.client_check.situation_context import RETURN_S, SETTLE_S, SituationContext
from chatws_loadtest.client_check.traffic import TrafficKind

if TYPE_CHECKING:
    from chatws.engine import Socket

OUTAGE_S = 3.0
BUSY_S = 4.0
"""``Retry-After``: above the first two delays of socket.io-client, which ends at 1.5 s and 3 s after a refusal."""
DRAIN_S = 2.0
SLOW_CONNECT_S = 2.0
SILENT_S = 25.0
"""Above twice the 10 s after which a client gives up a handshake."""
TOLERANCE_S = 0.2

RECONNECT = "connect again after every lost connection, without a limit of attempts"
RECONNECT_AFTER_DISCONNECT = (
    "after `server_draining`, also connect again after DISCONNECT: socket.io-client does so only if "
    "`socket.connect()` is called when the reason is 'io server disconnect'"
)
HEARTBEAT = "close a connection without PING for pingInterval + pingTimeout of the handshake, and connect again"


@situation("connection.reset", "a reset connection is opened again", RECONNECT, in_guide=True)
async def _reset(context: SituationContext) -> None:
    await _after(context, context.server.cut)


@situation("connection.killed", "a server that was killed for 3 s is found again", RECONNECT, in_guide=True)
async def _killed(context: SituationContext) -> None:
    context.server.kill()
    await asyncio.sleep(OUTAGE_S)
    await _after(context, context.server.heal)


@situation("connection.half_open", "a connection that drops all bytes is given up", HEARTBEAT, in_guide=True)
async def _half_open(context: SituationContext) -> None:
    await _after(context, context.server.proxy.drop_bytes)


@situation(
    "connection.frozen_down", "a connection on which only the server is silent is given up", HEARTBEAT, in_guide=True
)
async def _frozen_down(context: SituationContext) -> None:
    await _after(context, lambda: context.server.proxy.freeze(down=True))


@situation(
    "connection.frozen_up",
    "messages sent on a connection that carries nothing to the server arrive after the next reconnect",
    "keep each message until its ack has arrived, and send it again after the next join",
)
async def _frozen_up(context: SituationContext) -> None:
    room = context.room
    await _after(context, lambda: context.server.proxy.freeze(up=True))
    await context.expect_life(context.traffic.mark)
    await asyncio.sleep(SETTLE_S)
    context.require_none_lost(room)


@situation(
    "connection.drain",
    "after `server_draining`, the client returns, and not before `retryAfterMs`",
    "wait for the retryAfterMs of server_draining before the next attempt",
)
async def _drain(context: SituationContext) -> None:
    await _drain_with(context, lambda: _close_for_restart(context))


@situation("connection.restarted", "a connection that closes with 1012, unannounced, is opened again", RECONNECT)
async def _restarted(context: SituationContext) -> None:
    await _after(context, lambda: _close_for_restart(context))


@situation(
    "connection.disconnect",
    "after `server_draining` and DISCONNECT, the client returns",
    RECONNECT_AFTER_DISCONNECT,
    in_guide=True,
)
async def _disconnect(context: SituationContext) -> None:
    def disconnect() -> None:
        for socket in context.chat.sockets:
            socket.disconnect()

    await _drain_with(context, disconnect)


@situation("connection.closed", "a connection that the server closes normally is opened again", RECONNECT)
async def _closed(context: SituationContext) -> None:
    def close() -> None:
        for socket in context.chat.sockets:
            socket.deliver(server_frame(b"1"))
            socket.close_transport(CloseCode.NORMAL)

    await _after(context, close)


@situation(
    "connection.error",
    "a CONNECT_ERROR that is temporary is followed by another attempt",
    "connect again after a CONNECT_ERROR whose code is temporary: socket.io-client does not do so by itself",
)
async def _error(context: SituationContext) -> None:
    async def refuse(_socket: Socket) -> None:
        context.chat.connect_fault = None
        raise ConnectRefused("busy", {"code": ErrorCode.STORAGE_UNAVAILABLE, "retryable": True})

    context.chat.connect_fault = refuse
    await _after(context, context.server.cut)


@situation(
    "connection.busy",
    "after HTTP 503, the client waits for its `Retry-After`",
    "read Retry-After of a refused handshake, and wait that long",
)
async def _busy(context: SituationContext) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=503, headers={hdrs.RETRY_AFTER: f"{BUSY_S:.0f}"})

    await _refuse_http(context, refuse, BUSY_S)
    attempts = context.traffic.select(TrafficKind.ATTEMPT, context.begin)
    # A page cannot read the response to a refused WebSocket, and may poll at any time after it.
    refused = next((attempt for attempt in attempts if attempt.name == "polling"), attempts[0])
    later = [attempt for attempt in attempts if attempt.number > refused.number]
    waited_s = later[0].at_s - refused.at_s if later else BUSY_S
    require(waited_s > BUSY_S - TOLERANCE_S, f"it tried again after {waited_s:.1f} s of {BUSY_S:g} s")


@situation("connection.bad_gateway", "pages of a proxy with HTTP 502 do not stop the client", RECONNECT)
async def _bad_gateway(context: SituationContext) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")

    await _refuse_http(context, refuse, DRAIN_S)


@situation("connection.other_page", "a page that is not Engine.IO, as of a captive portal, does not stop it", RECONNECT)
async def _other_page(context: SituationContext) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    await _refuse_http(context, answer, DRAIN_S)


@situation(
    "connection.no_websocket",
    "if every WebSocket is refused, the client uses polling",
    "allow the transport polling next to websocket",
    in_guide=True,
)
async def _no_websocket(context: SituationContext) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        return web.Response(status=400) if hdrs.UPGRADE in request.headers else None

    context.server.http_fault = refuse
    mark = context.traffic.mark
    context.server.cut()
    with suppress(CheckFailed):
        await context.expect_return(mark)
        _return_to_websocket(context)
        return
    tried = {entry.name for entry in context.traffic.select(TrafficKind.ATTEMPT, mark)}
    raise CheckFailed(f"it did not connect again; it tried {' and '.join(sorted(tried)) or 'nothing'}")


@situation(
    "connection.slow_connect",
    "a CONNECT that takes 2 s is not followed by a second connection",
    "wait 10 s for the reply to CONNECT before the next attempt",
)
async def _slow_connect(context: SituationContext) -> None:
    async def wait(_socket: Socket) -> None:
        await asyncio.sleep(SLOW_CONNECT_S)

    context.chat.connect_fault = wait
    mark = context.traffic.mark
    context.server.cut()
    entry = await context.expect_return(mark)
    attempts = context.session_attempts(mark, entry.number)
    require(len(attempts) == 1, f"it began {len(attempts)} connections")


@situation(
    "connection.silent_websocket",
    "if a WebSocket opens but carries nothing, messages arrive within 25 s",
    "give up a WebSocket that carries nothing for 10 s, and an upgrade to it, and use polling",
)
async def _silent_websocket(context: SituationContext) -> None:
    async def accept_only(request: web.Request) -> web.WebSocketResponse | None:
        if hdrs.UPGRADE not in request.headers:
            return None
        silent = web.WebSocketResponse()
        await silent.prepare(request)
        async for _ in silent:
            """Discard what the client sends."""
        return silent

    context.server.http_fault = accept_only
    mark = context.traffic.mark
    context.server.cut()
    entry = await context.expect_return(mark, SILENT_S)
    await context.expect_life(entry.number)
    _return_to_websocket(context)


def _return_to_websocket(context: SituationContext) -> None:
    """End a connection on polling, so that the next situation begins on a WebSocket."""
    context.server.http_fault = None
    context.server.cut()


def _close_for_restart(context: SituationContext) -> None:
    for socket in context.chat.sockets:
        socket.close_transport(CloseCode.RESTART)


async def _after(context: SituationContext, inject: Callable[[], object]) -> None:
    """Inject a fault that ends the connection, and check that the client returns."""
    mark = context.traffic.mark
    inject()
    await context.expect_return(mark)


async def _drain_with(context: SituationContext, end: Callable[[], object]) -> None:
    mark = context.traffic.mark
    context.chat.emit("server_draining", ServerDraining(retry_after_ms=round(DRAIN_S * 1000)))
    end()
    await context.expect_return(mark)
    first = next(attempt for attempt in context.traffic.entries[mark:] if attempt.kind is TrafficKind.ATTEMPT)
    waited_s = first.at_s - context.traffic.entries[mark].at_s
    require(waited_s > DRAIN_S - TOLERANCE_S, f"it tried again after {waited_s:.1f} s of {DRAIN_S:g} s")


async def _refuse_http(
    context: SituationContext, respond: Callable[[web.Request], Awaitable[web.Response]], outage_s: float
) -> None:
    """Cut the connection, respond to all HTTP requests for a time, and check that the client then returns."""
    context.server.http_fault = respond
    mark = context.traffic.mark
    context.server.cut()
    first = await context.find(lambda entry: entry.kind is TrafficKind.ATTEMPT, mark)
    if first is None:
        raise CheckFailed(f"it did not try to connect again within {context.limit(RETURN_S):g} s")
    await asyncio.sleep(outage_s)
    context.server.http_fault = None
    await _after(context, lambda: None)
