"""The user's own choice of presence."""

from __future__ import annotations

from chatws.protocol.commands import SetPresence
from chatws.protocol.responses import Ok
from chatws.server.services import RequestContext, Services


async def set_presence(chat: Services, caller: RequestContext, payload: SetPresence, place: None) -> Ok:
    """Online, away or busy; busy on one connection is busy for the user."""
    assert caller.connection is not None
    chat.presence.choose(caller.connection, payload.status)
    return Ok()
