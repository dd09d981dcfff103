"""Server-side API of the guide for external programs: sendToUser and getConnectionCount."""

from __future__ import annotations

from chatws.protocol.commands import Nothing, Notify
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import ConnectionCount, NotifyAck
from chatws.server.requests.context import RequestContext
from chatws.server.service import WebSocketService, is_free_name
from chatws.server.services import Services


async def notify_user(services: Services, context: RequestContext, payload: Notify) -> NotifyAck:
    """Emit an event to every connection of the user (guide: sendToUser).

    Raises:
        ChatError: ``bad_request`` if Socket.IO or the contract reserves the name.
    """
    if not is_free_name(payload.event):
        raise ChatError(ErrorCode.BAD_REQUEST, "This event name is reserved.")
    return NotifyAck(
        connections=WebSocketService(services).send_to_user(payload.user_id, payload.event, payload.payload)
    )


async def count_connections(services: Services, context: RequestContext, payload: Nothing) -> ConnectionCount:
    """Return the number of connections (guide: getConnectionCount)."""
    return ConnectionCount(connections=WebSocketService(services).get_connection_count())
