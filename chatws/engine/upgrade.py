"""From long-polling to WebSocket: probe, pause, switch; nothing is lost, doubled or reordered.

Source: the Engine.IO protocol, revision 4, "Upgrade".
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from chatws.engine.context import EngineContext
from chatws.engine.disconnect_reason import DisconnectReason
from chatws.engine.polling import PollingTransport
from chatws.engine.session import EngineSession
from chatws.engine.websocket import WebSocketTransport, accept_websocket
from chatws.engine.ws_handshake import UpgradedResponse
from chatws.wire.engineio import PROBE, EnginePacketType
from chatws.wire.errors import CloseCode
from chatws.wire.frames import server_frame

_PROBE = EnginePacketType.PING.value + PROBE
_PROBE_ANSWER = server_frame((EnginePacketType.PONG.value + PROBE).encode())
_UPGRADE = EnginePacketType.UPGRADE.value


def upgrade(core: EngineContext, session: EngineSession, request: web.Request) -> web.StreamResponse:
    """Carry a session by WebSocket from now on; a probe that comes to nothing leaves the session as it was.

    A second WebSocket for a session is accepted and closed, as the protocol has it.
    """
    polling = session.link
    link = accept_websocket(core, request)
    if isinstance(polling, PollingTransport) and not polling.is_upgrading:
        polling.is_upgrading = True
        core.start_task(_upgrade(core, session, polling, link))
    else:
        _turn_away(link)
    return UpgradedResponse()


async def _upgrade(
    core: EngineContext, session: EngineSession, polling: PollingTransport, link: WebSocketTransport
) -> None:
    try:
        is_probed = await _probe(core, polling, link)
    finally:
        polling.is_upgrading = False
        polling.release_polls(at_once=False)
    if not is_probed or session.is_closed:
        _turn_away(link)
        return
    _switch(core, session, polling, link)
    # What was posted before is handled before what the WebSocket brings.
    await polling.backlog.drained()
    link.begin()


def _turn_away(link: WebSocketTransport) -> None:
    link.close(DisconnectReason.TRANSPORT_ERROR, CloseCode.PROTOCOL_ERROR)


async def _probe(core: EngineContext, polling: PollingTransport, link: WebSocketTransport) -> bool:
    """Answer the probe, let the client stop polling, wait for its word."""
    try:
        async with asyncio.timeout(core.options.upgrade_timeout_s):
            if await link.receive() != _PROBE:
                return False
            link.write(_PROBE_ANSWER)
            polling.release_polls()
            return await link.receive() == _UPGRADE
    except TimeoutError:
        return False


def _switch(core: EngineContext, session: EngineSession, polling: PollingTransport, link: WebSocketTransport) -> None:
    session.link = link
    link.carry(session)
    core.stats.upgrades += 1
    for chunk in polling.give_up():
        link.write(chunk)
