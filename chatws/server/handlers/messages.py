"""Handler of new messages."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import SendMessage
from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Conversation
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.responses import SendAck
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.store.interface import Draft, Stored


async def may_send(services: Services, context: RequestContext, payload: SendMessage) -> tuple[Conversation, str]:
    """Allow joined members to send valid content; return the content with LF line ends.

    Raises:
        ChatError: ``draining``, ``too_large``, ``bad_request``, or as `policy.joined`.
    """
    if services.draining:
        raise ChatError(ErrorCode.DRAINING)
    content = normalise_content(payload.content)
    conversation = policy.find_joined(services, context, payload.conversation_id)
    return conversation or await policy.joined(services, context, payload), content


async def send_message(
    services: Services, context: RequestContext, payload: SendMessage, authorized: tuple[Conversation, str]
) -> SendAck:
    """Store a message, deliver it to the room and return the ack; the sender's typing ends.

    The store reopens a resolved conversation for a customer, and assigns an unclaimed one to the agent who writes.
    """
    conversation, content = authorized
    user = context.user
    client_message_id = None if payload.client_message_id is UNSET else payload.client_message_id
    draft = Draft(conversation.conversation_id, user, content, client_message_id)
    stored = await services.conversations.append(draft)
    hosted = services.hub.get(conversation.conversation_id)
    if hosted is not None and context.connection is not None:
        hosted.typing.end(user.user_id, context.connection)
    if user.role == "customer" and not stored.duplicate:
        # The conversation may have been reassigned during the append, here or on another server.
        current = services.conversations.known_state(conversation, stored) or await services.conversations.refresh(
            conversation
        )
        services.bot.customer_wrote(current, stored.message)
    return acknowledge(stored)


def acknowledge(stored: Stored) -> SendAck:
    """Return the ack of a stored message."""
    message = stored.message
    return SendAck(
        message_id=message.message_id,
        seq=message.seq,
        timestamp=message.timestamp,
        duplicate=True if stored.duplicate else UNSET,
    )
