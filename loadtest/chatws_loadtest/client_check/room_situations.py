"""Situations of conversations: joined again after a reconnect, refused, or left by the server."""

from __future__ import annotations

import asyncio

from chatws.protocol.errors import ErrorCode
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.registry import situation
from chatws_loadtest.client_check.scripted_chat import ChatRequest, Handler
from chatws_loadtest.client_check.situation_context import UNANSWERED_S, SituationContext, quoted
from chatws_loadtest.client_check.traffic import TrafficEntry, TrafficKind

JOIN_S = 3.0
"""Time from a connection to the joins of its conversations."""
JOIN_DELAY_S = 1.0

REJOIN = "join every conversation again at each `connect`, not only at the first one"


@situation("room.rejoined", "every conversation is joined again after a reconnect", REJOIN, in_guide=True)
async def _rejoined(context: SituationContext) -> None:
    joined, mark = context.chat.joined_rooms(), context.traffic.mark
    context.server.cut()
    entry = await context.expect_return(mark)
    await _expect_joins(context, joined, entry)


@situation(
    "room.second_reconnect", "every conversation is joined again after each further reconnect", REJOIN, in_guide=True
)
async def _second_reconnect(context: SituationContext) -> None:
    joined = context.chat.joined_rooms()
    for _ in range(2):
        mark = context.traffic.mark
        context.server.cut()
        entry = await context.expect_return(mark)
        await _expect_joins(context, joined, entry)


@situation(
    "room.join_lost",
    "a join without a reply is sent again within 15 s",
    "set a timeout of 10 s for the reply to a join, and then send it again",
)
async def _join_lost(context: SituationContext) -> None:
    async def ignore(_request: ChatRequest) -> None:
        """Swallow the join."""

    request = await _intercept_rejoin(context, ignore)
    await context.expect_request("join_conversation", request.entry.number + 1, UNANSWERED_S)


@situation(
    "room.join_refused",
    "a join that is refused for the moment is sent again",
    "send a join again if the error of its ack is `retryable`",
)
async def _join_refused(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.STORAGE_UNAVAILABLE, retry_after_ms=500)

    request = await _intercept_rejoin(context, refuse)
    await context.expect_request("join_conversation", request.entry.number + 1)


@situation(
    "room.join_forbidden",
    "a join that is refused for good is not repeated more than once in 3 s",
    "show the error of a join that is not `retryable`, and do not send it again",
)
async def _join_forbidden(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.refuse(ErrorCode.FORBIDDEN)

    first = await _intercept_rejoin(context, refuse)
    context.chat.override("join_conversation", refuse)
    await asyncio.sleep(JOIN_S)
    joins = context.traffic.select(TrafficKind.REQUEST, first.entry.number + 1, "join_conversation")
    require(len(joins) <= 1, f"it sent the join {len(joins)} times more")


@situation(
    "room.not_joined",
    "a message refused with `not_joined` is sent again after another join",
    "after `not_joined`, join the conversation and send the message again",
)
async def _not_joined(context: SituationContext) -> None:
    async def refuse(request: ChatRequest) -> None:
        request.socket.leave(request.entry.conversation_id)
        request.refuse(ErrorCode.NOT_JOINED)

    request = await context.intercept("send_message", refuse)
    join = await context.expect_request("join_conversation", request.entry.number)
    await context.expect_repeat(request.entry)
    await context.expect_life(join.number)


@situation(
    "room.join_before_send",
    "after a reconnect, no message is sent before its conversation is joined",
    "keep messages in a queue of your own until the join is confirmed: socket.io-client sends its buffer at once",
)
async def _join_before_send(context: SituationContext) -> None:
    async def join_late(request: ChatRequest) -> None:
        await asyncio.sleep(JOIN_DELAY_S)
        await context.chat.handle(request)

    context.chat.override("join_conversation", join_late)
    mark = context.traffic.mark
    context.server.cut()
    entry = await context.expect_return(mark)
    first = await context.expect_request("send_message", entry.number)
    joins = [
        request
        for request in context.traffic.select(TrafficKind.REQUEST, entry.number, "join_conversation")
        if request.conversation_id == first.conversation_id and request.number < first.number
    ]
    require(joins, f"it sent {quoted(first.content)} before a join")
    waited_s = first.at_s - joins[0].at_s
    require(waited_s >= JOIN_DELAY_S, f"it sent {quoted(first.content)} before the join was confirmed")


async def _intercept_rejoin(context: SituationContext, handle: Handler) -> ChatRequest:
    """Cut the connection, pass the next join to ``handle`` instead of the server, and return it.

    Raises:
        NotOffered: the client does not join again.
    """
    context.server.cut()
    try:
        return await context.intercept("join_conversation", handle)
    except CheckFailed as problem:
        raise NotOffered("it joins no conversation again, see room.rejoined") from problem


async def _expect_joins(context: SituationContext, joined: set[str], connection: TrafficEntry) -> None:
    """Check that the client joins the conversations on a new connection."""
    for conversation_id in sorted(joined):

        def is_join(entry: TrafficEntry, wanted: str = conversation_id) -> bool:
            return entry.name == "join_conversation" and entry.conversation_id == wanted

        found = await context.find(is_join, connection.number, JOIN_S)
        require(found is not None, f"it did not join {conversation_id} again within {context.limit(JOIN_S):g} s")
