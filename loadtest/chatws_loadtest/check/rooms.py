"""Checks of rooms, messages and their recipients."""

from __future__ import annotations

import re

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import addition_check, guide_check, require
from chatws_loadtest.raw_client import Fields, PacketMissing, RawClient

STREAM = 20
TOO_LONG = 200_000
FLOOD = 60


@guide_check("room.join", "joining is confirmed with `joined_conversation`")
async def _join(context: CheckContext) -> None:
    context.require_confirmed_join()
    await context.join(await context.customer())


@guide_check("room.leave", "leaving is confirmed with `left_conversation`")
async def _leave(context: CheckContext) -> None:
    customer = await context.customer()
    await context.join(customer)
    await customer.emit("leave_conversation", context.conversation_id)
    await customer.expect("left_conversation", conversationId=context.conversation_id)


@guide_check("room.delivery", "a message reaches the other member")
async def _delivery(context: CheckContext) -> None:
    customer, agent = await context.pair()
    content = unique_text()
    await context.send_message(customer, content)
    await agent.expect("message_received", content=content)


@guide_check("room.reply", "an agent's reply reaches the customer")
async def _reply(context: CheckContext) -> None:
    customer, agent = await context.pair()
    content = unique_text()
    await context.send_message(agent, content)
    message = await customer.expect("message_received", content=content)
    if context.mapping.message_received.sender_role:
        require(_sender(message).get("role") == "admin", f"its sender is {_sender(message)}")


@guide_check("room.own", "the sender receives its own message")
async def _own(context: CheckContext) -> None:
    if not context.mapping.message_received.echo:
        raise NotOffered("the mapping says that it does not")
    customer, _ = await context.pair()
    content = unique_text()
    await context.send_message(customer, content)
    await customer.expect("message_received", content=content)


@guide_check("room.left", "a member that left receives no further messages")
async def _left(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await agent.emit("leave_conversation", context.conversation_id)
    await agent.expect("left_conversation")
    await context.send_message(customer, unique_text())
    require(not await agent.receives("message_received"), "it received a message")


@guide_check("room.outside", "an agent that has not joined receives no messages")
async def _outside(context: CheckContext) -> None:
    customer, _ = await context.pair()
    other = await context.agent(1)
    await context.send_message(customer, unique_text())
    require(not await other.receives("message_received"), "it received a message")


@guide_check("room.twice", "joining twice does not duplicate messages")
async def _twice(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await context.join(agent)
    content = unique_text()
    await context.send_message(customer, content)
    await agent.expect("message_received", content=content)
    require(not await agent.receives("message_received", content=content), "it was delivered twice")


@guide_check("room.foreign_join", "a customer cannot join another's conversation")
async def _foreign_join(context: CheckContext) -> None:
    context.require_confirmed_join()
    await context.join(await context.customer())
    other = await context.customer(1)
    await other.emit("join_conversation", context.conversation_id)
    require(not await other.receives("joined_conversation", conversationId=context.conversation_id), "it joined")


@guide_check("room.foreign_send", "a customer cannot send to another's conversation")
async def _foreign_send(context: CheckContext) -> None:
    customer, _ = await context.pair()
    other, content = await context.customer(1), unique_text()
    await other.emit("send_message", {"conversationId": context.conversation_id, "content": content})
    require(not await customer.receives("message_received", content=content), "it was delivered")


@guide_check("room.foreign_listen", "a customer receives no messages of another's conversation")
async def _foreign_listen(context: CheckContext) -> None:
    customer, _ = await context.pair()
    other = await context.customer(1)
    await context.join(other, context.rooms[1].conversation_id)
    await other.emit("join_conversation", context.conversation_id)
    await context.send_message(customer, unique_text())
    require(not await other.receives("message_received"), "it received a message")


@guide_check("message.ack", "a message is acked with `success: true`")
async def _ack(context: CheckContext) -> None:
    context.require_acks()
    customer, _ = await context.pair()
    ack = await context.send_message(customer, unique_text())
    require(ack.get("success") is True, f"the ack is {ack}")


@guide_check("message.shape", "a message has conversationId, content, sender and timestamp")
async def _shape(context: CheckContext) -> None:
    customer, agent = await context.pair()
    content = unique_text()
    await context.send_message(customer, content)
    message = await agent.expect("message_received", content=content)
    paths = context.mapping.message_received
    context.require_shape(
        "a message",
        message,
        {
            "conversationId": paths.conversation_id,
            "content": paths.content,
            "sender": paths.sender_id or paths.sender_role,
            "timestamp": paths.timestamp,
        },
    )
    if paths.sender_id or paths.sender_role:
        context.require_shape("a sender", _sender(message), {"userId": paths.sender_id, "role": paths.sender_role})
    if paths.timestamp:
        require(
            re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", str(message["timestamp"])),
            f"its timestamp is {message['timestamp']}",
        )


@guide_check("message.sender", "the sender is the authenticated user, not the one named in the message")
async def _forged(context: CheckContext) -> None:
    if not context.mapping.message_received.sender_role:
        raise NotOffered("the mapping names no role of the sender")
    customer, agent = await context.pair()
    content = unique_text()
    forged = {"userId": "agent", "role": "admin", "userName": "Boss"}
    await customer.emit(
        "send_message",
        {"conversationId": context.conversation_id, "content": content, "sender": forged, "role": "admin"},
    )
    try:
        received = await agent.expect("message_received", content=content)
    except PacketMissing:
        # A server may also refuse a message with unknown fields.
        return
    require(_sender(received).get("role") == "customer", f"its sender is {_sender(received)}")


@guide_check("message.verbatim", "text is delivered unchanged, in any script")
async def _verbatim(context: CheckContext) -> None:
    customer, agent = await context.pair()
    content = f"{unique_text()} Grüße, 你好 \N{WAVING HAND SIGN} a\nb"
    await context.send_message(customer, content)
    await agent.expect("message_received", content=content)


@guide_check("message.order", "a client's messages keep their order")
async def _order(context: CheckContext) -> None:
    customer, agent = await context.pair()
    prefix = unique_text()
    for number in range(STREAM):
        await customer.emit(
            "send_message", {"conversationId": context.conversation_id, "content": f"{prefix}-{number}"}
        )
    received = [str((await agent.expect("message_received")).get("content")) for _ in range(STREAM)]
    require(received == [f"{prefix}-{number}" for number in range(STREAM)], "they arrived in another order")


@guide_check("message.empty", "an empty message is refused")
async def _empty(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await _require_refusal(customer, {"conversationId": context.conversation_id, "content": ""})
    require(not await agent.receives("message_received"), "it was delivered")


@guide_check("message.no_content", "a message without content is refused")
async def _no_content(context: CheckContext) -> None:
    context.require_acks()
    customer, _ = await context.pair()
    await _require_refusal(customer, {"conversationId": context.conversation_id})


@guide_check("message.no_conversation", "a message without a conversation is refused")
async def _no_conversation(context: CheckContext) -> None:
    context.require_acks()
    customer, _ = await context.pair()
    await _require_refusal(customer, {"content": unique_text()})


@guide_check("message.other_type", "content that is not a string is refused")
async def _other_type(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await _require_refusal(customer, {"conversationId": context.conversation_id, "content": {"a": 1}})
    require(not await agent.receives("message_received"), "it was delivered")


@guide_check("message.no_object", "a payload that is not an object is refused, and the connection stays open")
async def _no_object(context: CheckContext) -> None:
    context.require_acks()
    customer, _ = await context.pair()
    await _require_refusal(customer, "hello")
    await context.send_message(customer, unique_text())


@addition_check("message.error_event", "a failure without an ack callback is reported by an `error` event")
async def _error_event(context: CheckContext) -> None:
    customer, _ = await context.pair()
    await customer.emit("send_message", {"conversationId": context.conversation_id, "content": ""})
    if not await customer.receives("error", 1.0):
        raise NotOffered("no `error` event was received")


@addition_check("message.unknown_event", "an unknown event is answered with an error")
async def _unknown_event(context: CheckContext) -> None:
    customer = await context.customer()
    try:
        ack = await customer.request("no_such_event", {})
    except PacketMissing as problem:
        raise NotOffered("it is ignored") from problem
    require(ack.get("success") is False, f"the ack is {ack}")


@addition_check("limit.length", "a message of 200,000 characters is refused")
async def _length(context: CheckContext) -> None:
    customer, agent = await context.pair()
    content = "x" * TOO_LONG
    await customer.emit("send_message", {"conversationId": context.conversation_id, "content": content})
    if await agent.receives("message_received", 1.0, content=content):
        raise NotOffered("it was delivered")


@addition_check("limit.rate", f"a burst of {FLOOD} messages exceeds the rate limit")
async def _rate(context: CheckContext) -> None:
    context.require_acks()
    customer = await context.customer(1)
    conversation_id = context.rooms[1].conversation_id
    await context.join(customer, conversation_id)
    acks = [
        await customer.request("send_message", {"conversationId": conversation_id, "content": unique_text()})
        for _ in range(FLOOD)
    ]
    if all(ack.get("success") for ack in acks):
        raise NotOffered("all were accepted; the guide does not require limits yet")


async def _require_refusal(client: RawClient, payload: object) -> None:
    try:
        ack = await client.request("send_message", payload)
    except PacketMissing:
        # The guide has no ack for a refusal: an `error` event, or none, is enough.
        return
    require(ack.get("success") is not True, f"the ack is {ack}")


def _sender(message: Fields) -> Fields:
    sender = message.get("sender")
    return sender if isinstance(sender, dict) else {}
