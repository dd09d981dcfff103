"""Handlers that change status and assignee of conversations: claims, hand-offs, assignments to agents or the bot."""

from __future__ import annotations

from chatws.protocol.commands import AssignConversation, ChangeConversation, Handoff
from chatws.protocol.entities import Conversation, ConversationStatus
from chatws.protocol.errors import ChatError, Conflict, ErrorCode
from chatws.protocol.responses import ConversationAck
from chatws.server.bot.dispatcher import BOT
from chatws.server.bot.notices import make_notice
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services


async def may_change(
    services: Services, context: RequestContext, payload: ChangeConversation | Handoff
) -> Conversation:
    """Allow users who may see the conversation; it is read from the store, as the hub's version may be outdated.

    Raises:
        ChatError: as `policy.member`.
    """
    return policy.check_member(context.user, await services.store.conversation(payload.conversation_id))


async def claim_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Assign a conversation to the agent; claiming an own conversation changes nothing.

    Raises:
        Conflict: it is assigned to another agent or closed, or has another version.
    """
    if conversation.status == "assigned" and conversation.assignee == context.user:
        return ConversationAck(conversation=conversation)
    _require(conversation, "bot", "queued")
    after = await services.conversations.transition(conversation, payload.version, "assigned", context.user.user_id)
    return ConversationAck(conversation=after)


async def release_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Return an assigned conversation to the queue.

    Raises:
        Conflict: it is not assigned, or it has another version.
    """
    _require(conversation, "assigned")
    after = await services.conversations.transition(conversation, payload.version, "queued")
    return ConversationAck(conversation=after)


async def resolve_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Close a conversation; the customer's next message reopens it.

    Raises:
        Conflict: it is closed already, or it has another version.
    """
    _require(conversation, "bot", "queued", "assigned")
    after = await services.conversations.transition(conversation, payload.version, "resolved")
    return ConversationAck(conversation=after)


async def reopen_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Reopen a closed conversation into the queue.

    Raises:
        Conflict: it is not closed, or it has another version.
    """
    _require(conversation, "resolved")
    after = await services.conversations.transition(conversation, payload.version, "queued")
    return ConversationAck(conversation=after)


async def handoff(
    services: Services, context: RequestContext, payload: Handoff, conversation: Conversation
) -> ConversationAck:
    """Move a conversation from the bot to the queue and keep the reason as a note; a queued one is not changed.

    Raises:
        Conflict: it is assigned to an agent or closed.
    """
    if conversation.status == "queued":
        return ConversationAck(conversation=conversation)
    _require(conversation, "bot")
    reason = payload.reason or ""
    after = await services.conversations.transition(conversation, conversation.version, "queued", reason=reason or None)
    author = context.user if context.user.role == "admin" else BOT
    await services.conversations.note_handoff(conversation.conversation_id, author, reason)
    notice = make_notice(services.clock, conversation.conversation_id, "handed_off", reason)
    services.inbox.send_notice(notice)
    return ConversationAck(conversation=after)


async def may_assign(services: Services, context: RequestContext, payload: AssignConversation) -> Conversation:
    """Allow agents of this server who are not offline: an absent agent's conversations return to the queue.

    Raises:
        ChatError: ``bad_request`` for any other user, or as `may_change`.
    """
    account = await services.store.account(payload.user_id)
    if account is None or account.user.role != "admin" or account.disabled:
        raise ChatError(ErrorCode.BAD_REQUEST, "There is no such agent.")
    if await services.presence.is_online_anywhere(payload.user_id) is False:
        raise ChatError(ErrorCode.BAD_REQUEST, f"{account.user.user_name} is offline.")
    return await may_change(services, context, payload)


async def assign_conversation(
    services: Services, context: RequestContext, payload: AssignConversation, conversation: Conversation
) -> ConversationAck:
    """Assign a conversation to an agent, also one that another agent holds.

    Raises:
        Conflict: it is closed, or it has another version.
    """
    _require(conversation, "bot", "queued", "assigned")
    after = await services.conversations.transition(conversation, payload.version, "assigned", payload.user_id)
    return ConversationAck(conversation=after)


async def assign_bot(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Assign a queued or assigned conversation to the bot, which replies to the customer's last message.

    Raises:
        Conflict: it is assigned to the bot already or closed, or has another version.
    """
    _require(conversation, "queued", "assigned")
    after = await services.conversations.transition(conversation, payload.version, "bot")
    services.bot.resume(after)
    return ConversationAck(conversation=after)


def _require(conversation: Conversation, *statuses: ConversationStatus) -> None:
    if conversation.status not in statuses:
        raise Conflict(conversation)
