"""Upgrade from long-polling to WebSocket: probe, pause, switch; no packet is lost, duplicated or reordered.

Source: the Engine.IO protocol, revision 4, "Upgrade".
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from chatws.engine.context import EngineContext
from chatws.engine.events import DisconnectReason
from chatws.engine.polling import PollingTransport
from chatws.engine.session import EngineSession
from chatws.engine.websocket import WebSocketTransport, accept_websocket
from chatws.engine.ws_handshake import UpgradedResponse, handshake_response
from chatws.wire.engineio import PROBE, EnginePacketType
from chatws.wire.errors import CloseCode
from chatws.wire.frames import server_frame

_PROBE = EnginePacketType.PING.value + PROBE
_PROBE_RESPONSE = server_frame((EnginePacketType.PONG.value + PROBE).encode())
_UPGRADE = EnginePacketType.UPGRADE.value


def upgrade(context: EngineContext, session: EngineSession, request: web.Request) -> web.StreamResponse:
    """Move a session to WebSocket; a failed probe leaves the session on long-polling.

    A second WebSocket for a session is accepted and closed, as the protocol requires.
    """
    polling = session.transport
    websocket = accept_websocket(context, request, handshake_response(request))
    if isinstance(polling, PollingTransport) and not polling.is_upgrading:
        polling.is_upgrading = True
        context.start_task(_upgrade(context, session, polling, websocket))
    else:
        _reject(websocket)
    return UpgradedResponse()


async def _upgrade(
    context: EngineContext, session: EngineSession, polling: PollingTransport, websocket: WebSocketTransport
) -> None:
    try:
        is_probed = await _probe(context, polling, websocket)
    finally:
        polling.is_upgrading = False
        polling.release_polls(at_once=False)
    if not is_probed or session.is_closed:
        _reject(websocket)
        return
    _switch(context, session, polling, websocket)
    # Packets posted before the upgrade are handled before those of the WebSocket.
    await polling.receive_queue.wait_until_empty()
    websocket.start()


def _reject(websocket: WebSocketTransport) -> None:
    websocket.close(DisconnectReason.TRANSPORT_ERROR, CloseCode.PROTOCOL_ERROR)


async def _probe(context: EngineContext, polling: PollingTransport, websocket: WebSocketTransport) -> bool:
    """Answer the probe, let the client stop polling, wait for its UPGRADE packet; return False if it fails."""
    try:
        async with asyncio.timeout(context.options.upgrade_timeout_s):
            if await websocket.receive() != _PROBE:
                return False
            websocket.write(_PROBE_RESPONSE)
            polling.release_polls()
            return await websocket.receive() == _UPGRADE
    except TimeoutError:
        return False


def _switch(
    context: EngineContext, session: EngineSession, polling: PollingTransport, websocket: WebSocketTransport
) -> None:
    session.transport = websocket
    websocket.attach(session)
    context.stats.upgrades += 1
    for chunk in polling.hand_over():
        websocket.write(chunk)
