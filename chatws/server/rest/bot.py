"""Chat API of the guide: stores a customer's message and returns the bot's reply in the same response."""

from __future__ import annotations

from msgspec import UNSET

from chatws.protocol.commands import BotQuestion
from chatws.protocol.content import normalise_content
from chatws.protocol.entities import Conversation, Message
from chatws.protocol.ids import new_id
from chatws.protocol.limits import PAGE_MESSAGES
from chatws.protocol.responses import BotAck
from chatws.server.requests import policy
from chatws.server.requests.context import RequestContext
from chatws.server.rest.sessions import own_session
from chatws.server.services import Services
from chatws.store.interface import Draft, Stored

DEADLINE_MARGIN_MS = 2_000
"""Part of the request's deadline reserved for everything except waiting for the bot."""


async def may_ask(services: Services, context: RequestContext, payload: BotQuestion) -> tuple[Conversation, str]:
    """Allow customers in their own conversations; return the conversation and the content to store.

    Raises:
        ChatError: ``too_large`` or ``bad_request`` for the content, or as `policy.member`.
    """
    content = normalise_content(payload.message)
    if payload.conversation_id is not UNSET:
        return await policy.member(services, context, payload.conversation_id), content
    own_id = (await own_session(services, context)).conversation_id
    if own_id is None:
        return await _create_conversation(services, context), content
    return policy.check_member(context.user, await services.hub.current(own_id)), content


async def ask_bot(
    services: Services, context: RequestContext, payload: BotQuestion, authorized: tuple[Conversation, str]
) -> BotAck:
    """Store and broadcast the message; wait for the reply of the bot, if it is assigned, or let the caller stream it.

    If the bot takes longer than the request's deadline, its reply is only broadcast to the room.

    A repeated ``clientMessageId`` returns the ids of the first request, and the reply if the bot has given it; the bot
    is not asked again.
    """
    conversation, content = authorized
    client_message_id = None if payload.client_message_id is UNSET else payload.client_message_id
    conversation = await _assign_new_to_bot(services, conversation)
    stored = await services.conversations.append(
        Draft(conversation.conversation_id, context.user, content, client_message_id)
    )
    if stored.duplicate:
        reply = await _find_reply(services, stored.message)
    else:
        reply = await _ask_bot(services, context, stored.conversation or conversation, stored)
    return make_ack(stored.message.message_id, reply)


def make_ack(message_id: str, reply: Message | None) -> BotAck:
    """Build the acknowledgement of a question, with the bot's reply if there is one."""
    return BotAck(message_id=message_id, answered=reply is not None, reply=UNSET if reply is None else reply)


async def _create_conversation(services: Services, context: RequestContext) -> Conversation:
    conversation_id = new_id(services.clock.now_ms())
    conversation, _ = await services.store.create_conversation(conversation_id, context.user, "bot")
    return conversation


async def _assign_new_to_bot(services: Services, conversation: Conversation) -> Conversation:
    """Assign a queued conversation without messages to the bot, because the request addresses the bot."""
    if conversation.status != "queued" or conversation.head_seq:
        return conversation
    return await services.conversations.assign_to_bot(conversation)


async def _ask_bot(
    services: Services, context: RequestContext, conversation: Conversation, stored: Stored
) -> Message | None:
    """Return the bot's reply, or None if the conversation is not assigned to the bot, or the bot takes too long."""
    if conversation.status != "bot":
        return None
    reply = services.bot.ask(conversation, stored.message)
    if reply is None:
        return None
    if context.on_reply is not None:
        context.on_reply(reply)
        return None
    return await reply.wait_done(max(services.settings.ack_deadline_ms - DEADLINE_MARGIN_MS, 0) / 1000)


async def _find_reply(services: Services, question: Message) -> Message | None:
    """Find the bot's reply: its client message id is the id of the question."""
    page = await services.store.page_after(question.conversation_id, question.seq, PAGE_MESSAGES)
    return next((message for message in page.messages if message.client_message_id == question.message_id), None)
