"""Handler of the user's presence choice."""

from __future__ import annotations

from chatws.protocol.commands import SetPresence
from chatws.protocol.responses import Ok
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def set_presence(services: Services, context: RequestContext, payload: SetPresence) -> Ok:
    """Set online, away or busy for this client; busy on one client makes the user busy."""
    assert context.connection is not None
    services.presence.choose(context.connection, payload.status)
    return Ok()
