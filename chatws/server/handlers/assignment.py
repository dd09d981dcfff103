"""Agents' work on a conversation: claim, release, resolve, reopen, and the hand-off from the bot and back."""

from __future__ import annotations

import contextlib
import logging

from chatws.protocol.commands import ChangeConversation, Handoff
from chatws.protocol.entities import Conversation, ConversationStatus, User
from chatws.protocol.errors import Conflict
from chatws.protocol.responses import ConversationAck
from chatws.server.bot.notices import tell_inboxes
from chatws.server.logs import log_event
from chatws.server.requests import policy
from chatws.server.services import RequestContext, Services
from chatws.store.interface import StaleVersion

_log = logging.getLogger("chatws.work")


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
    return await _move(services, conversation, payload.version, "assigned", context.user.user_id)


async def release_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Put an assigned conversation back in the queue.

    Raises:
        Conflict: it is not assigned, or it has another version.
    """
    _require(conversation, "assigned")
    return await _move(services, conversation, payload.version, "queued", None)


async def resolve_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Close a conversation; the customer's next message opens it again.

    Raises:
        Conflict: it is closed already, or it has another version.
    """
    _require(conversation, "bot", "queued", "assigned")
    return await _move(services, conversation, payload.version, "resolved", None)


async def reopen_conversation(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Put a closed conversation in the queue.

    Raises:
        Conflict: it is not closed, or it has another version.
    """
    _require(conversation, "resolved")
    return await _move(services, conversation, payload.version, "queued", None)


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
    ack = await _move(services, conversation, conversation.version, "queued", None)
    tell_inboxes(services, conversation.conversation_id, "handed_off", payload.reason or None)
    return ack


async def assign_bot(
    services: Services, context: RequestContext, payload: ChangeConversation, conversation: Conversation
) -> ConversationAck:
    """Hand a queued or assigned conversation to the bot, which answers what the customer said last.

    Raises:
        Conflict: the bot has it already, it is closed, or it has another version.
    """
    _require(conversation, "queued", "assigned")
    ack = await _move(services, conversation, payload.version, "bot", None)
    services.bot.resume(ack.conversation)
    return ack


async def take_over(services: Services, agent: User, conversation: Conversation) -> None:
    """Assign a conversation from the bot to the agent who is writing; whoever was faster keeps it."""
    with contextlib.suppress(StaleVersion):
        await _move(services, conversation, conversation.version, "assigned", agent.user_id)


async def give_to_bot(services: Services, conversation: Conversation) -> Conversation:
    """Let the bot have a conversation, unless it has changed; return it as it is now."""
    try:
        return (await _move(services, conversation, conversation.version, "bot", None)).conversation
    except StaleVersion as stale:
        return stale.current


async def requeue(services: Services, conversation: Conversation) -> bool:
    """Put a conversation that its agent or the bot gives up back in the queue, unless it has changed; says whether."""
    try:
        await _move(services, conversation, conversation.version, "queued", None)
    except StaleVersion:
        return False
    return True


def _require(conversation: Conversation, *statuses: ConversationStatus) -> None:
    if conversation.status not in statuses:
        raise Conflict(conversation)


async def _move(
    services: Services, before: Conversation, version: int, status: ConversationStatus, assignee_id: str | None
) -> ConversationAck:
    after = await services.store.transition(
        before.conversation_id, version=version, status=status, assignee_id=assignee_id
    )
    services.changed(before, after)
    log_event(
        _log,
        logging.INFO,
        "conversation_changed",
        conversationId=after.conversation_id,
        status=status,
        assignee=assignee_id,
    )
    return ConversationAck(conversation=after)
