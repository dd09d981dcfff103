"""Typing indicators."""

from __future__ import annotations

from chatws.protocol.entities import Conversation
from chatws.protocol.responses import Ok
from chatws.server.services import RequestContext, Services


async def typing_start(chat: Services, caller: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """The caller types; it expires by itself."""
    assert caller.connection is not None
    caller.connection.joined[payload].board.start(caller.user, caller.connection)
    return Ok()


async def typing_stop(chat: Services, caller: RequestContext, payload: str, conversation: Conversation) -> Ok:
    """The caller does not type any more."""
    assert caller.connection is not None
    caller.connection.joined[payload].board.stop(caller.user.user_id, caller.connection)
    return Ok()
