"""Permission policies; each returns the authorized object for the handler."""

from __future__ import annotations

from typing import Protocol

from chatws.protocol.entities import Conversation, User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


class InConversation(Protocol):
    """Payload with the id of a conversation."""

    @property
    def conversation_id(self) -> str:
        """Id of the conversation."""
        ...


def may_see(user: User, conversation: Conversation) -> bool:
    """Return whether a user may see a conversation: agents and services see all, customers their own."""
    return user.role != "customer" or conversation.customer.user_id == user.user_id


def conversation_id_of(payload: str | InConversation) -> str:
    """Return the conversation id of a payload, which is the id itself (guide) or has it in a field."""
    return payload if isinstance(payload, str) else payload.conversation_id


async def member(services: Services, context: RequestContext, payload: str | InConversation) -> Conversation:
    """Allow users who may see the conversation.

    Raises:
        ChatError: ``not_found`` to agents; ``forbidden`` to customers, whether it exists or not.
    """
    return check_member(context.user, await services.hub.current(conversation_id_of(payload)))


async def joined(services: Services, context: RequestContext, payload: str | InConversation) -> Conversation:
    """Allow connections that have joined the conversation; a REST request only needs a user who may see it.

    Raises:
        ChatError: ``not_joined``, or as `member`.
    """
    conversation_id = conversation_id_of(payload)
    conversation = find_joined(services, context, conversation_id)
    if conversation is None:
        conversation = check_member(context.user, await services.hub.current(conversation_id))
        if context.connection is not None:
            raise ChatError(ErrorCode.NOT_JOINED)
    return conversation


def find_joined(services: Services, context: RequestContext, conversation_id: str) -> Conversation | None:
    """Return the conversation if the request's connection has joined it."""
    if context.connection is None or conversation_id not in context.connection.joined:
        return None
    hosted = services.hub.get(conversation_id)
    return None if hosted is None else hosted.conversation


def check_member(user: User, conversation: Conversation | None) -> Conversation:
    """Return the conversation if the user may see it.

    Raises:
        ChatError: as `member`.
    """
    if conversation is not None and may_see(user, conversation):
        return conversation
    raise ChatError(ErrorCode.FORBIDDEN if user.role == "customer" else ErrorCode.NOT_FOUND)
