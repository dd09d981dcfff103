"""The guide's chat API: a customer's message, and the bot's answer in the same response."""

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

MARGIN_MS = 2_000
"""Of a request's time, left for everything but waiting for the bot."""


async def may_ask(services: Services, context: RequestContext, payload: BotQuestion) -> tuple[Conversation, str]:
    """Allow customers in their conversations; returns the conversation and the content to store.

    Raises:
        ChatError: ``too_large`` or ``bad_request`` for the content, or as `policy.member`.
    """
    content = normalise_content(payload.message)
    if payload.conversation_id is not UNSET:
        return await policy.member(services, context, payload.conversation_id), content
    own_id = (await own_session(services, context)).conversation_id
    if own_id is None:
        return await _first_conversation(services, context), content
    return policy.check_member(context.user, await services.hub.current(own_id)), content


async def ask_bot(
    services: Services, context: RequestContext, payload: BotQuestion, authorized: tuple[Conversation, str]
) -> BotAck:
    """Store the message, show it to the room, and wait for the bot if it is the bot's turn, or let the caller follow.

    The bot may need longer than a request may take: then its answer comes to the room only.

    A repeat of a ``clientMessageId`` gets the first ids, and the answer if it has been given by then; it is not asked
    again.
    """
    conversation, content = authorized
    client_message_id = None if payload.client_message_id is UNSET else payload.client_message_id
    conversation = await _give_to_bot(services, conversation)
    stored = await services.conversations.append(
        Draft(conversation.conversation_id, context.user, content, client_message_id)
    )
    if stored.duplicate:
        reply = await _answer_to(services, stored.message)
    else:
        reply = await _ask(services, context, stored.conversation or conversation, stored)
    return write_ack(stored.message.message_id, reply)


def write_ack(message_id: str, reply: Message | None) -> BotAck:
    """Write the reply to a question; without a message of the bot it is not answered."""
    return BotAck(message_id=message_id, answered=reply is not None, reply=UNSET if reply is None else reply)


async def _first_conversation(services: Services, context: RequestContext) -> Conversation:
    conversation_id = new_id(services.clock.now_ms())
    conversation, _ = await services.store.create_conversation(conversation_id, context.user, "bot")
    services.conversations.touched(conversation_id)
    return conversation


async def _give_to_bot(services: Services, conversation: Conversation) -> Conversation:
    """Let the bot have a conversation that nobody has written in yet; whoever asks here wants the bot."""
    if conversation.status != "queued" or conversation.head_seq:
        return conversation
    return await services.conversations.assign_to_bot(conversation)


async def _ask(
    services: Services, context: RequestContext, conversation: Conversation, stored: Stored
) -> Message | None:
    """Return the bot's answer, or None when a human has the conversation or the bot takes too long."""
    if conversation.status != "bot":
        return None
    answer = services.bot.ask(conversation, stored.message)
    if answer is None:
        return None
    if context.on_reply is not None:
        context.on_reply(answer)
        return None
    return await answer.wait_done(max(services.settings.ack_deadline_ms - MARGIN_MS, 0) / 1000)


async def _answer_to(services: Services, question: Message) -> Message | None:
    """Find the bot's answer, which carries the question's id."""
    page = await services.store.page_after(question.conversation_id, question.seq, PAGE_MESSAGES)
    return next((message for message in page.messages if message.client_message_id == question.message_id), None)
