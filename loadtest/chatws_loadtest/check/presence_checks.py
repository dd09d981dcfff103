"""Checks of typing and presence."""

from __future__ import annotations

from chatws_loadtest.check.check_context import CheckContext, word
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.raw_client import Missing
from chatws_loadtest.check.registry import addition, demand, guide

EXPIRY_S = 4.5
"""The guide's 3 seconds, and half of that for the way."""

GRACE_S = 9.0
"""The contract's 5 seconds after the last connection, and time for noticing."""


@guide("typing.start", "typing is shown to the other member")
async def _start(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    said = await agent.expect("typing_indicator", isTyping=True)
    demand(said.get("userId") == customer.identity.get("userId"), f"it names {said.get('userId')}")


@guide("typing.shape", "the indicator names userId, userName and isTyping")
async def _shape(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    said = await agent.expect("typing_indicator")
    demand({"userId", "userName", "isTyping"} <= said.keys(), f"it names {sorted(said)}")


@guide("typing.stop", "the end of typing is shown, too")
async def _stop(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await customer.tell("typing_stop", world.conversation_id)
    await agent.expect("typing_indicator", isTyping=False)


@guide("typing.own", "nobody is told of the own typing")
async def _own(world: CheckContext) -> None:
    customer, _ = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    demand(not await customer.hears("typing_indicator"), "it was")


@guide("typing.outside", "who is not in the room sees no typing")
async def _outside(world: CheckContext) -> None:
    customer, _ = await world.pair()
    other = await world.agent(1)
    await customer.tell("typing_start", world.conversation_id)
    demand(not await other.hears("typing_indicator"), "it did")


@guide("typing.expiry", "typing ends by itself after 3 seconds")
async def _expiry(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await agent.expect("typing_indicator", EXPIRY_S, isTyping=False)


@addition("typing.message", "a message ends its sender's typing")
async def _message(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await world.say(customer, word())
    if not await agent.hears("typing_indicator", 1.0, isTyping=False):
        raise NotOffered("typing goes on until it expires")


@addition("typing.disconnect", "a lost connection ends its user's typing")
async def _disconnect(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.tell("typing_start", world.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await customer.close()
    if not await agent.hears("typing_indicator", 1.0, isTyping=False):
        raise NotOffered("typing goes on until it expires")


@guide("presence.online", "who comes is announced to the others in the conversation")
async def _online(world: CheckContext) -> None:
    agent = await world.agent()
    await world.join(agent)
    customer = await world.customer()
    await world.join(customer)
    await agent.expect("presence_update", userId=customer.identity.get("userId"), status="online")


@guide("presence.offline", "who goes is announced, after a while")
async def _offline(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.close()
    await agent.expect("presence_update", GRACE_S, userId=customer.identity.get("userId"), status="offline")


@addition("presence.grace", "a quick reconnect is not shown as offline")
async def _grace(world: CheckContext) -> None:
    customer, agent = await world.pair()
    await customer.close()
    await world.join(await world.customer())
    if await agent.hears("presence_update", 1.0, status="offline"):
        raise NotOffered("every disconnect is shown at once")


@addition("presence.choice", "a user may be away")
async def _choice(world: CheckContext) -> None:
    customer, agent = await world.pair()
    try:
        ack = await agent.ask("set_presence", {"status": "away"})
    except Missing as problem:
        raise NotOffered("there is no set_presence") from problem
    if ack.get("success") is not True:
        raise CheckFailed(f"it was acked {ack}")
    await customer.expect("presence_update", userId=agent.identity.get("userId"), status="away")
    await agent.ask("set_presence", {"status": "online"})
