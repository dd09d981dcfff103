"""Checks of what goes beyond the guide: numbers, repeats, history, read marks."""

from __future__ import annotations

from chatws_loadtest.check.check_context import CheckContext, word
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.raw_client import Fields, RawClient
from chatws_loadtest.check.registry import addition, demand

OK = 200
MISSED = 5


@addition("catchup.numbered", "acks and messages carry messageId and seq")
async def _numbered(world: CheckContext) -> None:
    customer, agent = await world.extended()
    content = word()
    ack = await world.say(customer, content)
    said = await agent.expect("message_received", content=content)
    demand({"messageId", "seq"} <= ack.keys(), f"the ack has {sorted(ack)}")
    demand(said.get("seq") == ack.get("seq"), f"acked as {ack.get('seq')}, broadcast as {said.get('seq')}")


@addition("catchup.no_holes", "numbers rise by one")
async def _no_holes(world: CheckContext) -> None:
    customer, _ = await world.extended()
    numbers = await _send_some(world, customer)
    demand(numbers == list(range(numbers[0], numbers[0] + MISSED)), f"they were {numbers}")


@addition("catchup.repeat", "a repeated message gets the first ack, and is stored once")
async def _repeat(world: CheckContext) -> None:
    customer, _ = await world.extended()
    own_id, content = word(), word()
    first = await world.say(customer, content, clientMessageId=own_id)
    second = await world.say(customer, content, clientMessageId=own_id)
    demand(first.get("messageId") == second.get("messageId"), "it was stored twice")
    demand(second.get("duplicate") is True, "the second ack does not say that it is a repeat")


@addition("catchup.repeat_silent", "a repeated message is not broadcast again")
async def _repeat_silent(world: CheckContext) -> None:
    customer, agent = await world.extended()
    own_id, content = word(), word()
    await world.say(customer, content, clientMessageId=own_id)
    await agent.expect("message_received", content=content)
    await world.say(customer, content, clientMessageId=own_id)
    demand(not await agent.hears("message_received", content=content), "it came twice")


@addition("catchup.conflict", "another content under a used id is refused")
async def _conflict(world: CheckContext) -> None:
    customer, _ = await world.extended()
    own_id = word()
    await world.say(customer, word(), clientMessageId=own_id)
    ack = await world.say(customer, word(), clientMessageId=own_id)
    demand(_code(ack) == "idempotency_conflict", f"it was acked {ack}")


@addition("catchup.join", "joining after a position brings what was missed, in order")
async def _join(world: CheckContext) -> None:
    customer, agent = await world.extended()
    numbers = await _send_some(world, customer)
    wish = {"conversationId": world.conversation_id, "afterSeq": numbers[0], "epoch": agent.identity["epoch"]}
    ack = await agent.ask("join_conversation", wish)
    demand(_numbers(ack) == numbers[1:], f"of {numbers[1:]} it brought {_numbers(ack)}")


@addition("catchup.other_epoch", "a position of another database is not taken for one of this")
async def _other_epoch(world: CheckContext) -> None:
    _, agent = await world.extended()
    ack = await agent.ask(
        "join_conversation", {"conversationId": world.conversation_id, "afterSeq": 1, "epoch": "another"}
    )
    demand(ack.get("recovered") is False and not _numbers(ack), f"it was: {ack.get('recovered')}")


@addition("catchup.history", "history comes in ascending pages")
async def _history(world: CheckContext) -> None:
    customer, agent = await world.extended()
    numbers = await _send_some(world, customer)
    page = await agent.ask("history", {"conversationId": world.conversation_id, "afterSeq": numbers[0], "limit": 2})
    demand(_numbers(page) == numbers[1:3], f"of {numbers[1:3]} it brought {_numbers(page)}")
    demand(page.get("hasMoreAfter") is True, "it does not say that there is more")


@addition("catchup.history_private", "a customer cannot read another's history")
async def _history_private(world: CheckContext) -> None:
    await world.extended()
    other = await world.customer(1)
    page = await other.ask("history", {"conversationId": world.conversation_id})
    demand(page.get("success") is False, "it was given")


@addition("catchup.read", "reading is told to the other member")
async def _read(world: CheckContext) -> None:
    customer, agent = await world.extended()
    ack = await world.say(customer, word())
    await agent.ask("mark_read", {"conversationId": world.conversation_id, "seq": ack["seq"]})
    await customer.expect("message_read", userId=agent.identity.get("userId"), seq=ack["seq"])


@addition("rest.session", "a session can be read over REST")
async def _rest_session(world: CheckContext) -> None:
    status, body = await world.get("/api/sessions/current", **_header(world))
    if status != OK:
        raise NotOffered(f"it answered {status}")
    demand(isinstance(body, dict) and "userId" in body, f"it holds {body}")


@addition("rest.history", "REST and the socket tell the same history")
async def _rest_history(world: CheckContext) -> None:
    customer, _ = await world.extended()
    numbers = await _send_some(world, customer)
    path = f"/api/conversations/{world.conversation_id}/messages?afterSeq={numbers[0] - 1}"
    status, body = await world.get(path, **_header(world))
    demand(status == OK, f"it answered {status}")
    demand(isinstance(body, dict) and _numbers(body)[:MISSED] == numbers, "it tells another")


@addition("rest.private", "REST shows no conversation to a stranger")
async def _rest_private(world: CheckContext) -> None:
    await world.extended()
    path = f"/api/conversations/{world.conversation_id}/messages"
    for headers in ({}, _header(world, 1)):
        status, _ = await world.get(path, **headers)
        demand(status != OK, "it was shown")


@addition("rest.send", "a message sent over REST reaches the sockets")
async def _rest_send(world: CheckContext) -> None:
    _, agent = await world.extended()
    content = word()
    path = f"{world.url}/api/conversations/{world.conversation_id}/messages"
    body = {"conversationId": world.conversation_id, "content": content}
    async with world.http.post(path, json=body, headers=_header(world)) as response:
        if response.status not in {OK, 201}:
            raise NotOffered(f"it answered {response.status}")
    await agent.expect("message_received", content=content)


async def _send_some(world: CheckContext, peer: RawClient) -> list[int]:
    acks = [await world.say(peer, word()) for _ in range(MISSED)]
    demand(all(isinstance(ack.get("seq"), int) for ack in acks), f"a message was refused: {acks[-1]}")
    return [int(str(ack["seq"])) for ack in acks]


def _numbers(page: Fields) -> list[int]:
    messages = page.get("messages")
    return [message["seq"] for message in messages] if isinstance(messages, list) else []


def _code(ack: Fields) -> object:
    error = ack.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _header(world: CheckContext, number: int = 0) -> dict[str, str]:
    return {"X-Session-Id": str(world.auth(number=number)["sessionId"])}
