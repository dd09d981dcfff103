"""Handler of searches in customers' names and messages."""

from __future__ import annotations

from chatws.protocol.commands import SearchConversations
from chatws.protocol.responses import SearchAck
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def search(services: Services, context: RequestContext, payload: SearchConversations) -> SearchAck:
    """Return the newest conversations with the text."""
    return SearchAck(hits=await services.store.search(payload.text))
