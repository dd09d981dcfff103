"""Handlers of typing indicators."""

from __future__ import annotations

from chatws.protocol.entities import Conversation
from chatws.protocol.responses import Ok
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def typing_start(services: Services, context: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """Start the user's typing indicator; it expires after ``typing_expire_ms``."""
    hosted = services.hub.get(conversation.conversation_id)
    if hosted is not None and context.connection is not None:
        hosted.typing.start(context.user, context.connection)
    return Ok()


async def typing_stop(services: Services, context: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """Stop the user's typing indicator."""
    hosted = services.hub.get(conversation.conversation_id)
    if hosted is not None and context.connection is not None:
        hosted.typing.stop(context.user.user_id, context.connection)
    return Ok()
