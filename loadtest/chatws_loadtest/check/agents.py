"""Checks of agents' work: claims, hand-off from the bot, and renewal of tokens."""

from __future__ import annotations

import asyncio

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import addition_check, require
from chatws_loadtest.raw_client import Fields, PacketMissing, RawClient

BACK_TO_QUEUE = {"assigned": "release_conversation", "resolved": "reopen_conversation"}
"""Request that returns a conversation of this status to the queue."""


@addition_check("auth.refresh", "a token can be renewed on an open connection")
async def _refresh(context: CheckContext) -> None:
    agent = await context.agent()
    await _request(agent, "refresh_token", {"token": context.auth(agent=True).get("token")})


@addition_check("claim.race", "of two agents who claim a conversation at once, one gets it")
async def _race(context: CheckContext) -> None:
    agents = await context.agent(), await context.agent(1)
    conversation = await _queued(context, agents[0])
    payload = {"conversationId": context.conversation_id, "version": conversation["version"]}
    acks = await asyncio.gather(*(agent.request("claim_conversation", payload) for agent in agents))
    outcomes = sorted(str(_code(ack) or "success") for ack in acks)
    require(outcomes == ["conflict", "success"], f"the outcomes are {' and '.join(outcomes)}")


@addition_check("bot.reply", "the bot replies while the conversation is assigned to it")
async def _reply(context: CheckContext) -> None:
    customer, agent = await context.pair()
    await _assign_bot(context, agent)
    await customer.emit("send_message", {"conversationId": context.conversation_id, "content": unique_text()})
    while True:
        received = await customer.expect("message_received", 10.0)
        sender = received.get("sender")
        if isinstance(sender, dict) and sender.get("role") == "bot":
            break
    await _request(agent, "handoff", {"conversationId": context.conversation_id})


@addition_check("bot.handoff", "a hand-off moves a conversation from the bot to the agents' queue")
async def _handoff(context: CheckContext) -> None:
    agent = await context.agent()
    await _assign_bot(context, agent)
    ack = await _request(agent, "handoff", {"conversationId": context.conversation_id})
    status = _conversation(ack).get("status")
    require(status == "queued", f"the status is {status}")


async def _assign_bot(context: CheckContext, agent: RawClient) -> None:
    conversation = await _queued(context, agent)
    if conversation["status"] == "queued":
        payload = {"conversationId": context.conversation_id, "version": conversation["version"]}
        await _request(agent, "assign_bot", payload)


async def _queued(context: CheckContext, agent: RawClient) -> Fields:
    """Return the conversation to the queue, unless the bot has it, and return its state.

    Raises:
        NotOffered: the server's conversations have no status.
    """
    conversation = _conversation(await _request(agent, "join_conversation", context.conversation_id))
    change = BACK_TO_QUEUE.get(str(conversation["status"]))
    if change is None:
        return conversation
    payload = {"conversationId": context.conversation_id, "version": conversation["version"]}
    return _conversation(await _request(agent, change, payload))


async def _request(client: RawClient, name: str, payload: object) -> Fields:
    """Return the ack of a request that must succeed.

    Raises:
        NotOffered: there is no ack, or the server refuses the request.
    """
    try:
        ack = await client.request(name, payload)
    except PacketMissing as problem:
        raise NotOffered(f"{name} is ignored") from problem
    if ack.get("success") is not True:
        raise NotOffered(f"{name} is refused: {_code(ack)}")
    return ack


def _conversation(ack: Fields) -> Fields:
    conversation = ack.get("conversation")
    if not isinstance(conversation, dict) or "version" not in conversation:
        raise NotOffered("conversations have no status")
    return conversation


def _code(ack: Fields) -> object:
    error = ack.get("error")
    return error.get("code") if isinstance(error, dict) else None
