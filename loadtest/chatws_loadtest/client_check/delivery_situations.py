"""Situations of messages that arrive twice, in another order, late or never, and of unknown events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from chatws.protocol.entities import Message
from chatws.protocol.limits import MAX_CONTENT_CHARS
from chatws.protocol.responses import HistoryAck
from chatws_loadtest.check.check_context import unique_text
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import require
from chatws_loadtest.client_check.registry import situation
from chatws_loadtest.client_check.scripted_chat import ChatRequest
from chatws_loadtest.client_check.situation_context import SituationContext
from chatws_loadtest.client_check.traffic import TrafficEntry, TrafficKind

HOLE_S = 5.0
SETTLE_S = 0.5
"""Time for a wrong display to show."""
MISSED = 3

MALFORMED = (
    "message_received",
    "typing_indicator",
    "presence_update",
    "message_read",
    "conversation_updated",
    "positions",
    "note_added",
    "bot_notice",
    "error",
)
"""Events that arrive without their fields."""

BY_SEQ = "keep the seq of the last message of each conversation, skip lower ones and hold higher ones back"
CATCH_UP = "join with afterSeq and epoch, or request `history` after the last seq"


@situation("delivery.duplicate", "a message that arrives twice is shown once", BY_SEQ)
async def _duplicate(context: SituationContext) -> None:
    await context.require_display()
    message = context.say()
    context.chat.broadcast(message)
    await _require_shown(context, [message])


@situation("delivery.reordered", "messages that arrive in another order are shown in the order of seq", BY_SEQ)
async def _reordered(context: SituationContext) -> None:
    await context.require_display()
    messages = [context.room.append_from_peer(unique_text()) for _ in range(MISSED)]
    for message in reversed(messages):
        context.chat.broadcast(message)
    await _require_shown(context, messages)


@situation("delivery.hole", "a missing seq is noticed, and the missing message requested", CATCH_UP)
async def _hole(context: SituationContext) -> None:
    mark = context.traffic.mark
    missing = context.room.append_from_peer(unique_text())
    context.say()
    await _expect_catching_up(context, missing, mark)


@situation("delivery.hole_at_end", "a missing last message is noticed with `positions`", CATCH_UP)
async def _hole_at_end(context: SituationContext) -> None:
    async def ignore(_request: ChatRequest) -> None:
        """Swallow a message of the client, which would reveal the hole as well."""

    mark = context.traffic.mark
    context.chat.override("send_message", ignore)
    missing = context.room.append_from_peer(unique_text())
    context.chat.emit("positions", {missing.conversation_id: missing.seq})
    await _expect_catching_up(context, missing, mark)


@situation("delivery.missed", "messages of a time without connection are requested after it", CATCH_UP)
async def _missed(context: SituationContext) -> None:
    room, mark = context.room, context.traffic.mark
    context.server.cut()
    missed = [room.append_from_peer(unique_text()) for _ in range(MISSED)]
    await context.expect_return(mark)
    await _expect_catching_up(context, missed[0], mark)
    if await context.shows(missed[-1]):
        await _require_shown(context, missed)


@situation(
    "delivery.large_page",
    "a page of history with more messages than requested is accepted",
    "read as many messages as the page has; the limit is the server's",
)
async def _large_page(context: SituationContext) -> None:
    room, mark = context.room, context.traffic.mark

    async def reply(request: ChatRequest) -> None:
        page = HistoryAck(messages=room.messages, has_more_before=False, has_more_after=False, head_seq=room.head)
        request.reply(page)

    context.chat.override("history", reply)
    for _ in range(300):
        room.append_from_peer(unique_text())
    context.say()
    if not await _catches_up(context, room.messages[-2], mark):
        raise NotOffered("it requests no history")
    await context.expect_life(context.traffic.mark)


@situation(
    "delivery.other_epoch",
    "a conversation is loaded again if the server does not know the client's position",
    "if the reply to a join has `recovered: false`, discard the messages and request the newest page of `history`",
)
async def _other_epoch(context: SituationContext) -> None:
    has_display = await context.shows(context.say())
    mark = context.traffic.mark
    context.chat.clear()
    context.server.cut()
    await context.expect_return(mark)
    join = await context.find(lambda entry: entry.name == "join_conversation", mark, HOLE_S)
    if join is None or not isinstance(join.payload, dict) or "afterSeq" not in join.payload:
        raise NotOffered("it does not join with a position")
    await context.expect_request("history", join.number, HOLE_S)
    await context.expect_life(context.traffic.mark)
    if has_display:
        message = context.say()
        require(await context.shows(message), f"message {message.seq} of the reloaded conversation was not shown")


@situation(
    "delivery.unknown",
    "unknown events and fields are ignored",
    "ignore events without a handler and fields that the client does not know: later versions add some",
)
async def _unknown(context: SituationContext) -> None:
    context.chat.emit("reactions_changed", {"conversationId": context.room.conversation_id, "reactions": [1, None]})
    context.chat.emit("no_arguments")
    message = context.room.append_from_peer(unique_text())
    context.chat.broadcast(message, reactions=[{"emoji": "+1"}], thread=None)
    await _require_undisturbed(context)


@situation(
    "delivery.malformed",
    "an event without the fields of the protocol does not stop the client",
    "validate each payload before it is used, and ignore an event that does not fit",
)
async def _malformed(context: SituationContext) -> None:
    conversation_id = context.room.conversation_id
    payloads: tuple[object, ...] = (None, "text", [], {"conversationId": conversation_id})
    for payload in payloads:
        for name in MALFORMED:
            context.chat.emit(name, payload)
    # A client that takes it for the next message loses the real one.
    seq = context.room.head + 1
    context.chat.emit("message_received", {"conversationId": conversation_id, "seq": seq})
    await _require_undisturbed(context)


@situation(
    "delivery.clock",
    "messages are shown in the order of seq, whatever their timestamps are",
    "sort by seq; the timestamp is only for display",
)
async def _clock(context: SituationContext) -> None:
    await context.require_display()
    messages = []
    for year in ("2099", "1999", "2030"):
        message = msgspec.structs.replace(
            context.room.append_from_peer(unique_text()), timestamp=f"{year}-01-01T00:00:00.000Z"
        )
        context.chat.broadcast(message)
        messages.append(message)
    await _require_shown(context, messages)


@situation(
    "delivery.long",
    "a message of 4,000 characters with emoji and line breaks does not stop the client",
    "accept contents of up to 4,000 characters and 16 KiB",
)
async def _long(context: SituationContext) -> None:
    context.say(("line\n\U0001f44b<b>" * MAX_CONTENT_CHARS)[:MAX_CONTENT_CHARS])
    await _require_undisturbed(context)


@situation(
    "delivery.burst",
    "200 messages at once do not stop the client",
    "show the messages of a burst together, and keep handling the heartbeat meanwhile",
)
async def _burst(context: SituationContext) -> None:
    messages = [context.say() for _ in range(200)]
    await _require_undisturbed(context)
    if await context.shows(messages[0]):
        await _require_shown(context, messages)


async def _require_shown(context: SituationContext, messages: Sequence[Message]) -> None:
    """Check that the client prints the messages once, in this order."""
    wanted = list(messages)
    for message in wanted:
        require(await context.shows(message), f"message {message.seq} was not shown")
    await asyncio.sleep(SETTLE_S)
    numbers, order = [message.seq for message in context.shown(wanted)], [message.seq for message in wanted]
    require(sorted(set(numbers)) == sorted(numbers), f"a message was shown twice: {numbers}")
    require(numbers == order, f"the order shown is {numbers}, not {order}")


async def _expect_catching_up(context: SituationContext, missing: Message, since: int) -> None:
    limit_s = context.limit(HOLE_S)
    require(await _catches_up(context, missing, since), f"it did not request the missing message within {limit_s:g} s")


async def _catches_up(context: SituationContext, missing: Message, since: int) -> bool:
    """Return whether the client requests a message by its position."""

    def requests_it(entry: TrafficEntry) -> bool:
        if entry.name not in {"history", "join_conversation"} or not isinstance(entry.payload, dict):
            return False
        after_seq = entry.payload.get("afterSeq")
        if isinstance(after_seq, int):
            return after_seq < missing.seq
        # The newest page contains the missing message as well.
        return entry.name == "history"

    return await context.find(requests_it, since, HOLE_S) is not None


async def _require_undisturbed(context: SituationContext) -> None:
    """Check that the client keeps its connection and sends further messages."""
    # The first message may have been sent before the client received anything.
    for _ in range(2):
        await context.expect_life(context.traffic.mark)
    ended = context.traffic.select(TrafficKind.ENDED, context.begin)
    require(not ended, "it closed the connection")
