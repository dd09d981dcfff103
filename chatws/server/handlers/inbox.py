"""Following the list of conversations."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import SubscribeInbox
from chatws.protocol.replies import InboxAck
from chatws.server.chat import Caller, Chat
from chatws.server.inbox import InboxFilter
from chatws.store.port import ConversationFilter

FIRST_PAGE = 100
"""Conversations in the answer; older ones come over REST."""


async def subscribe_inbox(chat: Chat, caller: Caller, payload: SubscribeInbox, place: None) -> InboxAck:
    """Follow first, then read, so that no change falls in between."""
    connection = caller.connection
    assert connection is not None
    status = None if payload.status is UNSET else payload.status
    assignee_id = None if payload.assignee is UNSET else payload.assignee
    chat.inbox.subscribe(connection, InboxFilter(status, assignee_id))
    wanted = ConversationFilter(status=status, assignee_id=assignee_id, limit=FIRST_PAGE)
    conversations, _ = await chat.store.conversations(wanted)
    people = [conversation.customer.user_id for conversation in conversations]
    return InboxAck(conversations=conversations, presence=chat.presence.of_all(people + chat.presence.agents()))
