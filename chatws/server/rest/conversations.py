"""REST operations on conversations and their messages."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import ConversationRef, History, ListConversations, LoadMessages, StartConversation
from chatws.protocol.entities import Conversation, User
from chatws.protocol.errors import ChatError, ErrorCode
from chatws.protocol.ids import new_id
from chatws.protocol.responses import ConversationAck, ConversationList, HistoryAck
from chatws.server.handlers.history import history
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.rest.sessions import own_session
from chatws.server.services import Services
from chatws.store.interface import ConversationFilter


async def list_conversations(
    services: Services, context: RequestContext, payload: ListConversations
) -> ConversationList:
    """Read a page of conversations: those with a message or an assignee for an agent, their own for a customer."""
    is_customer = context.user.role == "customer"
    customer_id = None if payload.customer is UNSET else payload.customer
    filter_ = ConversationFilter(
        status=None if payload.status is UNSET else payload.status,
        assignee_id=None if payload.assignee is UNSET else payload.assignee,
        customer_id=context.user.user_id if is_customer else customer_id,
        cursor=None if payload.cursor is UNSET else payload.cursor,
        limit=payload.limit,
        include_unwritten=is_customer,
    )
    conversations, cursor = await services.store.conversations(filter_)
    ids = [conversation.conversation_id for conversation in conversations]
    is_agent = context.user.role == "admin"
    entries = await services.store.inbox_entries(ids, context.user.user_id) if is_agent else UNSET
    return ConversationList(conversations=conversations, cursor=cursor, entries=entries)


async def may_start(services: Services, context: RequestContext, payload: StartConversation) -> User:
    """Allow conversations with existing customers; return the customer.

    Raises:
        ChatError: ``not_found``.
    """
    account = await services.store.account(payload.customer_id)
    if account is None or account.user.role != "customer":
        raise ChatError(ErrorCode.NOT_FOUND)
    return account.user


async def start_conversation(
    services: Services, context: RequestContext, payload: StartConversation, customer: User
) -> ConversationAck:
    """Create a conversation assigned to the calling agent."""
    conversation_id = new_id(services.clock.now_ms())
    conversation, _ = await services.store.create_conversation(conversation_id, customer, "queued")
    await services.conversations.assign_to_agent(context.user, conversation)
    return ConversationAck(conversation=await services.hub.current(conversation_id) or conversation)


async def get_conversation(
    services: Services, context: RequestContext, payload: ConversationRef, conversation: Conversation
) -> ConversationAck:
    """Return the current state of a conversation."""
    return ConversationAck(conversation=conversation)


async def may_load(services: Services, context: RequestContext, payload: LoadMessages) -> Conversation | None:
    """Return the named conversation, or the session's own, or None if it has none yet.

    Raises:
        ChatError: as `policy.member`; ``bad_request`` if an agent names none.
    """
    conversation_id = payload.conversation_id
    if conversation_id is UNSET:
        if context.user.role == "admin":
            raise ChatError(ErrorCode.BAD_REQUEST, "Name the conversation: ?conversationId=")
        own_id = (await own_session(services, context)).conversation_id
        if own_id is None:
            return None
        conversation_id = own_id
    return policy.check_member(context.user, await services.hub.current(conversation_id))


async def load_messages(
    services: Services, context: RequestContext, payload: LoadMessages, conversation: Conversation | None
) -> HistoryAck:
    """Read a page of messages as ``history`` does; empty without a conversation."""
    if conversation is None:
        return HistoryAck(messages=[], has_more_before=False, has_more_after=False, head_seq=0)
    request = History(
        conversation_id=conversation.conversation_id,
        before_seq=payload.before_seq,
        after_seq=payload.after_seq,
        limit=payload.limit,
    )
    return await history(services, context, request, conversation)
