"""The user's own choice of presence."""

from __future__ import annotations

from chatws.protocol.commands import SetPresence
from chatws.protocol.responses import Ok
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def set_presence(services: Services, context: RequestContext, payload: SetPresence) -> Ok:
    """Online, away or busy; busy on one connection is busy for the user."""
    assert context.connection is not None
    services.presence.choose(context.connection, payload.status)
    return Ok()
