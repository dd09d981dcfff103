"""Checks of rooms, messages and who may hear them."""

from __future__ import annotations

import re

from chatws_loadtest.check.check_context import CheckContext, word
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.raw_client import Fields, Missing, RawClient
from chatws_loadtest.check.registry import addition, demand, guide

STREAM = 20
TOO_LONG = 200_000
FLOOD = 60


@guide("room.join", "joining is confirmed with `joined_conversation`")
async def _join(world: CheckContext) -> None:
    await world.join(await world.customer())


@guide("room.leave", "leaving is confirmed with `left_conversation`")
async def _leave(world: CheckContext) -> None:
    customer = await world.customer()
    await world.join(customer)
    await customer.tell("leave_conversation", world.conversation_id)
    await customer.expect("left_conversation", conversationId=world.conversation_id)


@guide("room.delivery", "a message reaches the other member")
async def _delivery(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = word()
    await world.say(customer, content)
    await agent.expect("message_received", content=content)


@guide("room.reply", "an agent's reply reaches the customer")
async def _reply(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = word()
    await world.say(agent, content)
    said = await customer.expect("message_received", content=content)
    demand(_sender(said).get("role") == "admin", f"its sender is {_sender(said)}")


@guide("room.own", "the sender receives its own message")
async def _own(world: CheckContext) -> None:
    customer, _ = await world.pair()
    content = word()
    await world.say(customer, content)
    await customer.expect("message_received", content=content)


@guide("room.left", "who has left hears nothing more")
async def _left(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await agent.tell("leave_conversation", world.conversation_id)
    await agent.expect("left_conversation")
    await world.say(customer, word())
    demand(not await agent.hears("message_received"), "it heard a message")


@guide("room.outside", "an agent who has not joined hears nothing")
async def _outside(world: CheckContext) -> None:
    customer, _ = await world.pair()
    other = await world.agent(1)
    await world.say(customer, word())
    demand(not await other.hears("message_received"), "it heard a message")


@guide("room.twice", "joining twice does not double messages")
async def _twice(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await world.join(agent)
    content = word()
    await world.say(customer, content)
    await agent.expect("message_received", content=content)
    demand(not await agent.hears("message_received", content=content), "it came twice")


@guide("room.foreign_join", "a customer cannot join another's conversation")
async def _foreign_join(world: CheckContext) -> None:
    await world.join(await world.customer())
    other = await world.customer(1)
    await other.tell("join_conversation", world.conversation_id)
    demand(not await other.hears("joined_conversation", conversationId=world.conversation_id), "it joined")


@guide("room.foreign_send", "a customer cannot write into another's conversation")
async def _foreign_send(world: CheckContext) -> None:
    customer, _ = await world.pair()
    other, content = await world.customer(1), word()
    await other.tell("send_message", {"conversationId": world.conversation_id, "content": content})
    demand(not await customer.hears("message_received", content=content), "it was delivered")


@guide("room.foreign_listen", "a customer hears nothing of another's conversation")
async def _foreign_listen(world: CheckContext) -> None:
    customer, _ = await world.pair()
    other = await world.customer(1)
    await world.join(other, world.rooms[1].conversation_id)
    await other.tell("join_conversation", world.conversation_id)
    await world.say(customer, word())
    demand(not await other.hears("message_received"), "it heard a message")


@guide("message.ack", "a message is acked with `success: true`")
async def _ack(world: CheckContext) -> None:
    customer, _ = await world.pair()
    ack = await world.say(customer, word())
    demand(ack.get("success") is True, f"the ack is {ack}")


@guide("message.shape", "a message has conversationId, content, sender and timestamp")
async def _shape(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = word()
    await world.say(customer, content)
    said = await agent.expect("message_received", content=content)
    demand({"conversationId", "content", "sender", "timestamp"} <= said.keys(), f"it has {sorted(said)}")
    demand({"userId", "role"} <= _sender(said).keys(), f"its sender has {sorted(_sender(said))}")
    demand(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", str(said["timestamp"])), f"its time is {said['timestamp']}")


@guide("message.sender", "the sender is who is authenticated, whatever the message says")
async def _forged(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = word()
    forged = {"userId": "agent", "role": "admin", "userName": "Boss"}
    await customer.tell(
        "send_message", {"conversationId": world.conversation_id, "content": content, "sender": forged, "role": "admin"}
    )
    try:
        said = await agent.expect("message_received", content=content)
    except Missing:
        # Refusing what does not belong there is as good.
        return
    demand(_sender(said).get("role") == "customer", f"a customer wrote as {_sender(said)}")


@guide("message.verbatim", "text arrives as it was written, in any script")
async def _verbatim(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = f"{word()} Grüße, 你好 \N{WAVING HAND SIGN} a\nb"
    await world.say(customer, content)
    await agent.expect("message_received", content=content)


@guide("message.order", "a client's messages keep their order")
async def _order(world: CheckContext) -> None:
    customer, agent = await world.pair()
    start = word()
    for number in range(STREAM):
        await customer.tell("send_message", {"conversationId": world.conversation_id, "content": f"{start}-{number}"})
    heard = [str((await agent.expect("message_received")).get("content")) for _ in range(STREAM)]
    demand(heard == [f"{start}-{number}" for number in range(STREAM)], "they came in another order")


@guide("message.empty", "an empty message is refused")
async def _empty(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await _refuses(customer, {"conversationId": world.conversation_id, "content": ""})
    demand(not await agent.hears("message_received"), "it was delivered")


@guide("message.no_content", "a message without content is refused")
async def _no_content(world: CheckContext) -> None:
    customer, _ = await world.pair()
    await _refuses(customer, {"conversationId": world.conversation_id})


@guide("message.no_conversation", "a message without a conversation is refused")
async def _no_conversation(world: CheckContext) -> None:
    customer, _ = await world.pair()
    await _refuses(customer, {"content": word()})


@guide("message.other_type", "content that is no text is refused")
async def _other_type(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await _refuses(customer, {"conversationId": world.conversation_id, "content": {"a": 1}})
    demand(not await agent.hears("message_received"), "it was delivered")


@guide("message.no_object", "a payload that is no object is refused, and the connection lives")
async def _no_object(world: CheckContext) -> None:
    customer, _ = await world.pair()
    await _refuses(customer, "hello")
    await world.say(customer, word())


@addition("message.error_event", "what fails without a callback is told with an `error` event")
async def _error_event(world: CheckContext) -> None:
    customer, _ = await world.pair()
    await customer.tell("send_message", {"conversationId": world.conversation_id, "content": ""})
    if not await customer.hears("error", 1.0):
        raise NotOffered("nothing is told")


@addition("message.unknown_event", "an event nobody knows is answered with an error")
async def _unknown_event(world: CheckContext) -> None:
    customer = await world.customer()
    try:
        ack = await customer.ask("no_such_event", {})
    except Missing as problem:
        raise NotOffered("it is ignored") from problem
    demand(ack.get("success") is False, f"it is acked {ack}")


@addition("limit.length", "a message of 200,000 characters is refused")
async def _length(world: CheckContext) -> None:
    customer, agent = await world.pair()
    content = "x" * TOO_LONG
    await customer.tell("send_message", {"conversationId": world.conversation_id, "content": content})
    if await agent.hears("message_received", 1.0, content=content):
        raise NotOffered("it was delivered")


@addition("limit.rate", f"{FLOOD} messages at once are too many")
async def _rate(world: CheckContext) -> None:
    customer = await world.customer(1)
    conversation_id = world.rooms[1].conversation_id
    await world.join(customer, conversation_id)
    acks = [
        await customer.ask("send_message", {"conversationId": conversation_id, "content": word()}) for _ in range(FLOOD)
    ]
    if all(ack.get("success") for ack in acks):
        raise NotOffered("all were taken; the guide leaves limits to the future")


async def _refuses(peer: RawClient, payload: object) -> None:
    try:
        ack = await peer.ask("send_message", payload)
    except Missing:
        # The guide has no ack for a refusal; the `error` event or silence will do.
        return
    demand(ack.get("success") is not True, f"it was acked {ack}")


def _sender(message: Fields) -> Fields:
    sender = message.get("sender")
    return sender if isinstance(sender, dict) else {}
