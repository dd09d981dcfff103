"""Agents' work on a conversation: claim, release, resolve, reopen, and the hand-off from the bot and back."""

from __future__ import annotations

from chatws.protocol.commands import ChangeConversation, Handoff
from chatws.protocol.entities import Conversation, ConversationStatus
from chatws.protocol.errors import Conflict
from chatws.protocol.responses import ConversationAck
from chatws.server.bot.notices import make_notice
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def may_change(
    services: Services, context: RequestContext, payload: ChangeConversation | Handoff
) -> Conversation:
    """Allow those who may see the conversation; read it, because what is remembered may be older than the caller's.

    Raises:
        ChatError: as `policy.member`.
    """
    return policy.check_member(context.user, await services.store.conversation(payload.conversation_id))


async def claim_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Assign a waiting conversation to the caller; claiming what one already has changes nothing.

    Raises:
        Conflict: somebody else has it, it is closed, or it has another version.
    """
    if conversation.status == "assigned" and conversation.assignee == context.user:
        return ConversationAck(conversation=conversation)
    _require(conversation, "bot", "queued")
    after = await services.conversations.transition(conversation, payload.version, "assigned", context.user.user_id)
    return ConversationAck(conversation=after)


async def release_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Put an assigned conversation back in the queue.

    Raises:
        Conflict: it is not assigned, or it has another version.
    """
    _require(conversation, "assigned")
    after = await services.conversations.transition(conversation, payload.version, "queued")
    return ConversationAck(conversation=after)


async def resolve_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Close a conversation; the customer's next message opens it again.

    Raises:
        Conflict: it is closed already, or it has another version.
    """
    _require(conversation, "bot", "queued", "assigned")
    after = await services.conversations.transition(conversation, payload.version, "resolved")
    return ConversationAck(conversation=after)


async def reopen_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Put a closed conversation in the queue.

    Raises:
        Conflict: it is not closed, or it has another version.
    """
    _require(conversation, "resolved")
    after = await services.conversations.transition(conversation, payload.version, "queued")
    return ConversationAck(conversation=after)


async def handoff(
    services: Services, context: RequestContext, payload: Handoff, conversation: Conversation
) -> ConversationAck:
    """Take a conversation from the bot and queue it for the agents; a queued one stays as it is.

    Raises:
        Conflict: a human has it, or it is closed.
    """
    if conversation.status == "queued":
        return ConversationAck(conversation=conversation)
    _require(conversation, "bot")
    after = await services.conversations.transition(conversation, conversation.version, "queued")
    notice = make_notice(services.clock, conversation.conversation_id, "handed_off", payload.reason or "")
    services.inbox.send_notice(notice)
    return ConversationAck(conversation=after)


async def assign_bot(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Hand a queued or assigned conversation to the bot, which answers what the customer said last.

    Raises:
        Conflict: the bot has it already, it is closed, or it has another version.
    """
    _require(conversation, "queued", "assigned")
    after = await services.conversations.transition(conversation, payload.version, "bot")
    services.bot.resume(after)
    return ConversationAck(conversation=after)


def _require(conversation: Conversation, *statuses: ConversationStatus) -> None:
    if conversation.status not in statuses:
        raise Conflict(conversation)
