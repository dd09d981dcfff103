"""Checks of typing and presence."""

from __future__ import annotations

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import CheckFailed, NotOffered
from chatws_loadtest.check.registry import addition_check, guide_check, require
from chatws_loadtest.raw_client import PacketMissing

EXPIRY_S = 4.5
"""The guide's 3 seconds, and 1.5 seconds for processing and transport."""

GRACE_S = 9.0
"""The contract's 5 seconds after the last connection, and time to detect the disconnect."""


@guide_check("typing.start", "typing is shown to the other member")
async def _start(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    indicator = await agent.expect("typing_indicator", isTyping=True)
    require(indicator.get("userId") == customer.identity.get("userId"), f"its userId is {indicator.get('userId')}")


@guide_check("typing.shape", "the indicator has userId, userName and isTyping")
async def _shape(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    indicator = await agent.expect("typing_indicator")
    paths = context.mapping.typing_indicator
    assert paths is not None  # the expected indicator has arrived
    context.require_shape(
        "an indicator",
        indicator,
        {"userId": paths.user_id, "userName": paths.user_name, "isTyping": paths.is_typing or paths.stop_event},
    )


@guide_check("typing.stop", "the end of typing is shown")
async def _stop(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await customer.emit("typing_stop", context.conversation_id)
    await agent.expect("typing_indicator", isTyping=False)


@guide_check("typing.own", "a client receives no indicator of its own typing")
async def _own(context: CheckContext) -> None:
    customer, _ = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    require(not await customer.receives("typing_indicator"), "it received one")


@guide_check("typing.outside", "an agent that has not joined receives no indicator")
async def _outside(context: CheckContext) -> None:
    customer, _ = await context.pair()
    other = await context.agent(1)
    await customer.emit("typing_start", context.conversation_id)
    require(not await other.receives("typing_indicator"), "it received one")


@guide_check("typing.expiry", "typing expires after 3 seconds")
async def _expiry(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await agent.expect("typing_indicator", max(EXPIRY_S, context.reply_timeout_s), isTyping=False)


@addition_check("typing.message", "a message ends its sender's typing")
async def _message(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await context.send_message(customer, unique_text())
    if not await agent.receives("typing_indicator", 1.0, isTyping=False):
        raise NotOffered("typing lasts until it expires")


@addition_check("typing.disconnect", "a lost connection ends its user's typing")
async def _disconnect(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.emit("typing_start", context.conversation_id)
    await agent.expect("typing_indicator", isTyping=True)
    await customer.close()
    if not await agent.receives("typing_indicator", 1.0, isTyping=False):
        raise NotOffered("typing lasts until it expires")


@guide_check("presence.online", "a user that connects is shown as online in its conversation")
async def _online(context: CheckContext) -> None:
    agent = await context.agent()
    await context.join(agent)
    customer = await context.customer()
    await context.join(customer)
    await agent.expect("presence_update", userId=customer.identity.get("userId"), status="online")


@guide_check("presence.offline", "a user that disconnects is shown as offline after a delay")
async def _offline(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.close()
    user_id, limit_s = customer.identity.get("userId"), max(GRACE_S, context.reply_timeout_s)
    await agent.expect("presence_update", limit_s, userId=user_id, status="offline")


@addition_check("presence.grace", "a quick reconnect is not shown as offline")
async def _grace(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await customer.close()
    await context.join(await context.customer())
    if await agent.receives("presence_update", 1.0, status="offline"):
        raise NotOffered("every disconnect is shown at once")


@addition_check("presence.choice", "a user can set its presence to away")
async def _choice(context: CheckContext) -> None:
    customer, agent = await context.pair()
    try:
        ack = await agent.request("set_presence", {"status": "away"})
    except PacketMissing as problem:
        raise NotOffered("there is no set_presence") from problem
    if ack.get("success") is not True:
        raise CheckFailed(f"the ack is {ack}")
    await customer.expect("presence_update", userId=agent.identity.get("userId"), status="away")
    await agent.request("set_presence", {"status": "online"})
