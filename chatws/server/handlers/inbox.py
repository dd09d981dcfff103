"""Handler of inbox subscriptions."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from chatws.protocol.commands import SubscribeInbox
from chatws.protocol.entities import Conversation
from chatws.protocol.limits import PAGE_BYTES
from chatws.protocol.responses import InboxAck
from chatws.server.connections.registry import InboxFilter
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter

FIRST_PAGE = 100
"""Limit of conversations in the reply, which is also limited by ``PAGE_BYTES``; REST lists the others."""

_encode = msgspec.json.Encoder().encode


async def subscribe_inbox(services: Services, context: RequestContext, payload: SubscribeInbox) -> InboxAck:
    """Subscribe, then read the conversations, so that no change is missed in between."""
    connection = context.connection
    assert connection is not None
    status = None if payload.status is UNSET else payload.status
    assignee_id = None if payload.assignee is UNSET else payload.assignee
    services.hub.withdraw_offsets(connection)  # changes of an inbox cannot be sent again
    services.inbox.subscribe(connection, InboxFilter(status, assignee_id))
    await services.inbox.wait_subscribed()
    wanted = ConversationFilter(status=status, assignee_id=assignee_id, limit=FIRST_PAGE, include_unwritten=False)
    conversations = _fit_page((await services.store.conversations(wanted))[0])
    customers = [conversation.customer.user_id for conversation in conversations]
    await services.presence.look_up_agents()
    ids = [conversation.conversation_id for conversation in conversations]
    entries = await services.store.inbox_entries(ids, context.user.user_id)
    presence = await services.presence.of_all(customers + services.presence.agents())
    # Presence is read last, and the page is recorded together with the reply: the client may have received events since
    # the page was read, and the reply replaces what they contained.
    services.inbox.show_page(conversations)
    return InboxAck(
        conversations=conversations,
        presence=presence,
        entries=entries,
        has_bot=services.settings.bot != "none",
    )


def _fit_page(conversations: list[Conversation]) -> list[Conversation]:
    """Limit the page to the write buffer: a hundred last messages can have six times its size."""
    page_bytes = 0
    for index, conversation in enumerate(conversations):
        page_bytes += len(_encode(conversation)) + 1
        if index and page_bytes > PAGE_BYTES:
            return conversations[:index]
    return conversations
