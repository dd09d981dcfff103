"""Events for one user from a program outside (guide: sendToUser)."""

from __future__ import annotations

from chatws.protocol.commands import Notify
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import NotifyAck
from chatws.server.service import WebSocketService, is_free_name
from chatws.server.services import RequestContext, Services


async def may_notify(services: Services, context: RequestContext, payload: Notify) -> None:
    """Allow names that mean nothing to the protocol and the contract.

    Raises:
        ChatError: ``bad_request``.
    """
    if not is_free_name(payload.event):
        raise ChatError(ErrorCode.BAD_REQUEST, "This event name is taken.")


async def notify_user(services: Services, context: RequestContext, payload: Notify, place: None) -> NotifyAck:
    """Emit the event to every connection of the user."""
    return NotifyAck(
        connections=WebSocketService(services).send_to_user(payload.user_id, payload.event, payload.payload)
    )
