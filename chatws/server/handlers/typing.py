"""Typing indicators."""

from __future__ import annotations

from chatws.protocol.entities import Conversation
from chatws.protocol.responses import Ok
from chatws.server.services import RequestContext, Services


async def typing_start(services: Services, context: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """The caller types; it expires by itself."""
    assert context.connection is not None
    context.connection.joined[payload].board.start(context.user, context.connection)
    return Ok()


async def typing_stop(services: Services, context: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """The caller does not type any more."""
    assert context.connection is not None
    context.connection.joined[payload].board.stop(context.user.user_id, context.connection)
    return Ok()
