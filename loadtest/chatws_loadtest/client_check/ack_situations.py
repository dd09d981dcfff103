"""Situations of a message whose ack is missing, late, or an error."""

from __future__ import annotations

import asyncio

from chatws.protocol.errors import ErrorCode
from chatws_loadtest.check.errors import CheckFailed
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.registry import situation
from chatws_loadtest.client_check.scripted_chat import ChatRequest
from chatws_loadtest.client_check.situation_context import (
    RETURN_S,
    SETTLE_S,
    UNANSWERED_S,
    SituationContext,
    quoted,
)
from chatws_loadtest.client_check.traffic import TrafficEntry, TrafficKind

SLOW_S = 3.0
OUTAGE_S = 3.0
RETRY_AFTER_S = 1.5
TOLERANCE_S = 0.1
"""Time by which a retry may be early: the client's clock starts when the refusal arrives."""
FINAL_S = 3.0

SAME_ID = "give each message a clientMessageId when it is written, and use the same one whenever it is sent again"


@situation("ack.swallowed", "a message whose ack is lost is sent again with the same clientMessageId", SAME_ID)
async def _swallowed(context: SituationContext) -> None:
    async def store_only(request: ChatRequest) -> None:
        context.chat.store(request)

    request = await context.intercept("send_message", store_only)
    context.server.cut()
    await _expect_same_id(context, request.entry)


@situation(
    "ack.lost_request",
    "a message that was sent while the connection broke is sent again",
    "keep each message until its ack has arrived, and send it again after the next join",
)
async def _lost_request(context: SituationContext) -> None:
    request = await context.intercept("send_message", _ignore)
    context.server.cut()
    await context.expect_repeat(request.entry)
    context.require_stored_once()


@situation(
    "ack.never",
    "a message without an ack is sent again within 15 s, although the connection stays open",
    "set a timeout of 10 s for each ack, and then send the message again with the same clientMessageId",
)
async def _never(context: SituationContext) -> None:
    async def store_only(request: ChatRequest) -> None:
        context.chat.store(request)

    request = await context.intercept("send_message", store_only)
    await _expect_same_id(context, request.entry, UNANSWERED_S)


@situation(
    "ack.outage",
    "messages written during an outage of 3 s arrive once each, in the order of their numbers",
    "keep the messages that are written while offline in a queue, and send them one by one after the next join",
    in_guide=True,
)
async def _outage(context: SituationContext) -> None:
    room = context.room
    context.server.kill()
    await asyncio.sleep(OUTAGE_S)
    mark = context.traffic.mark
    context.server.heal()
    await context.expect_life(mark)
    await asyncio.sleep(SETTLE_S)
    context.require_none_lost(room)


@situation("ack.slow", "a message whose ack takes 3 s is not stored twice", SAME_ID)
async def _slow(context: SituationContext) -> None:
    async def store_only(request: ChatRequest) -> None:
        context.chat.store(request)

    request = await context.intercept("send_message", store_only)
    room = context.chat.room(request.entry.conversation_id)
    stored = next(message for message in reversed(room.messages) if message.content == request.entry.content)
    await asyncio.sleep(SLOW_S)
    mark = context.traffic.mark
    context.chat.broadcast(stored)
    request.reply(room.send_ack(stored, is_duplicate=False))
    await context.expect_life(mark)
    context.require_stored_once()


@situation(
    "ack.unknown_outcome",
    "a message refused with `storage_unavailable`, which may be stored, is sent again with the same clientMessageId",
    SAME_ID,
)
async def _unknown_outcome(context: SituationContext) -> None:
    async def store_and_refuse(request: ChatRequest) -> None:
        context.chat.store(request)
        request.refuse(ErrorCode.STORAGE_UNAVAILABLE)

    request = await context.intercept("send_message", store_and_refuse)
    await _expect_same_id(context, request.entry)


@situation(
    "ack.rate_limited",
    "a message refused with `retryAfterMs` is sent again, and not before that time",
    "wait for the error's retryAfterMs before the message is sent again",
)
async def _rate_limited(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.RATE_LIMITED, retry_after_ms=round(RETRY_AFTER_S * 1000))

    request = await context.intercept("send_message", refuse)
    repeat = await context.expect_repeat(request.entry)
    waited_s = repeat.at_s - request.entry.at_s
    require(waited_s > RETRY_AFTER_S - TOLERANCE_S, f"it was sent again after {waited_s:.1f} s of {RETRY_AFTER_S} s")
    context.require_stored_once()


@situation(
    "ack.order",
    "later messages wait while an earlier one of the conversation is refused for the moment",
    "keep at most one message of a conversation in flight, and send the next one after its ack",
)
async def _order(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.RATE_LIMITED, retry_after_ms=round(RETRY_AFTER_S * 1000))

    request = await context.intercept("send_message", refuse)
    await asyncio.sleep(RETRY_AFTER_S)
    repeat = await context.expect_repeat(request.entry)
    overtaking = [
        entry.content
        for entry in context.traffic.select(TrafficKind.ACCEPTED, request.entry.number)
        if entry.number < repeat.number and entry.conversation_id == repeat.conversation_id
    ]
    for content in overtaking[:1]:
        raise CheckFailed(f"{quoted(content)} was stored before {quoted(request.entry.content)}")


@situation(
    "ack.refused",
    "a message refused for good is not sent again, and later ones are sent",
    "look at the error's `retryable`: show the message as failed if it is false",
)
async def _refused(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.BAD_REQUEST)

    request = await context.intercept("send_message", refuse)
    repeat = await context.traffic.find(
        lambda entry: entry.name == "send_message" and entry.content == request.entry.content,
        request.entry.number + 1,
        FINAL_S,
    )
    require(repeat is None, f"the message {quoted(request.entry.content)} was sent again")
    await context.expect_life(request.entry.number)


@situation(
    "ack.malformed",
    "an ack without the fields of the protocol does not stop the client",
    "treat an ack that cannot be read as a failure of this message only",
)
async def _malformed(context: SituationContext) -> None:
    async def reply(request: ChatRequest) -> None:
        context.chat.store(request)
        request.reply(None)

    await context.intercept("send_message", reply)
    await context.expect_life(context.traffic.mark)
    context.require_stored_once()


async def _ignore(_request: ChatRequest) -> None:
    """Swallow a request: it is neither handled nor acked."""


async def _expect_same_id(context: SituationContext, first: TrafficEntry, within_s: float = RETURN_S) -> None:
    repeat = await context.expect_repeat(first, within_s)
    require(first.client_message_id is not None, f"{quoted(first.content)} was sent again, and has no clientMessageId")
    require(repeat.client_message_id == first.client_message_id, "it was sent again with another clientMessageId")
