"""Checks of additions to the guide: seq, idempotent send, catching up, history, read marks and REST."""

from __future__ import annotations

from chatws_loadtest.check.check_context import CheckContext, unique_text
from chatws_loadtest.check.errors import NotOffered
from chatws_loadtest.check.registry import addition_check, require
from chatws_loadtest.raw_client import Fields, RawClient

OK = 200
BATCH_SIZE = 5
"""Messages sent by `_send_batch`."""


@addition_check("catchup.numbered", "acks and messages carry messageId and seq")
async def _numbered(context: CheckContext) -> None:
    customer, agent = await context.numbered_pair()
    content = unique_text()
    ack = await context.send_message(customer, content)
    message = await agent.expect("message_received", content=content)
    require({"messageId", "seq"} <= ack.keys(), f"the ack has {sorted(ack)}")
    require(message.get("seq") == ack.get("seq"), f"acked as {ack.get('seq')}, broadcast as {message.get('seq')}")


@addition_check("catchup.no_holes", "seq rises by one")
async def _no_holes(context: CheckContext) -> None:
    customer, _ = await context.numbered_pair()
    numbers = await _send_batch(context, customer)
    require(numbers == list(range(numbers[0], numbers[0] + BATCH_SIZE)), f"the seqs are {numbers}")


@addition_check("catchup.repeat", "a repeated message gets the first ack, and is stored once")
async def _repeat(context: CheckContext) -> None:
    customer, _ = await context.numbered_pair()
    client_message_id, content = unique_text(), unique_text()
    first = await context.send_message(customer, content, clientMessageId=client_message_id)
    second = await context.send_message(customer, content, clientMessageId=client_message_id)
    require(first.get("messageId") == second.get("messageId"), "it was stored twice")
    require(second.get("duplicate") is True, "the second ack is not marked as a duplicate")


@addition_check("catchup.repeat_silent", "a repeated message is not broadcast again")
async def _repeat_silent(context: CheckContext) -> None:
    customer, agent = await context.numbered_pair()
    client_message_id, content = unique_text(), unique_text()
    await context.send_message(customer, content, clientMessageId=client_message_id)
    await agent.expect("message_received", content=content)
    await context.send_message(customer, content, clientMessageId=client_message_id)
    require(not await agent.receives("message_received", content=content), "it was delivered twice")


@addition_check("catchup.conflict", "different content under a used clientMessageId is refused")
async def _conflict(context: CheckContext) -> None:
    customer, _ = await context.numbered_pair()
    client_message_id = unique_text()
    await context.send_message(customer, unique_text(), clientMessageId=client_message_id)
    ack = await context.send_message(customer, unique_text(), clientMessageId=client_message_id)
    require(_code(ack) == "idempotency_conflict", f"it was acked {ack}")


@addition_check("catchup.join", "a join after a seq returns the missed messages in order")
async def _join(context: CheckContext) -> None:
    customer, agent = await context.numbered_pair()
    numbers = await _send_batch(context, customer)
    request = {"conversationId": context.conversation_id, "afterSeq": numbers[0], "epoch": agent.identity["epoch"]}
    ack = await agent.request("join_conversation", request)
    require(_numbers(ack) == numbers[1:], f"it returned {_numbers(ack)}, not {numbers[1:]}")


@addition_check("catchup.other_epoch", "a seq of another epoch is not used to catch up")
async def _other_epoch(context: CheckContext) -> None:
    _, agent = await context.numbered_pair()
    ack = await agent.request(
        "join_conversation", {"conversationId": context.conversation_id, "afterSeq": 1, "epoch": "another"}
    )
    require(ack.get("recovered") is False and not _numbers(ack), f"`recovered` is {ack.get('recovered')}")


@addition_check("catchup.history", "history is returned in ascending pages")
async def _history(context: CheckContext) -> None:
    customer, agent = await context.numbered_pair()
    numbers = await _send_batch(context, customer)
    page = await agent.request(
        "history", {"conversationId": context.conversation_id, "afterSeq": numbers[0], "limit": 2}
    )
    require(_numbers(page) == numbers[1:3], f"it returned {_numbers(page)}, not {numbers[1:3]}")
    require(page.get("hasMoreAfter") is True, "`hasMoreAfter` is not true")


@addition_check("catchup.history_private", "a customer cannot read another's history")
async def _history_private(context: CheckContext) -> None:
    await context.numbered_pair()
    other = await context.customer(1)
    page = await other.request("history", {"conversationId": context.conversation_id})
    require(page.get("success") is False, "it was returned")


@addition_check("catchup.read", "a read mark is sent to the other member")
async def _read(context: CheckContext) -> None:
    customer, agent = await context.numbered_pair()
    ack = await context.send_message(customer, unique_text())
    await agent.request("mark_read", {"conversationId": context.conversation_id, "seq": ack["seq"]})
    await customer.expect("message_read", userId=agent.identity.get("userId"), seq=ack["seq"])


@addition_check("rest.session", "a session can be read over REST")
async def _rest_session(context: CheckContext) -> None:
    status, body = await context.get("/api/sessions/current", **_header(context))
    if status != OK:
        raise NotOffered(f"the status is {status}")
    require(isinstance(body, dict) and "userId" in body, f"the body is {body}")


@addition_check("rest.history", "REST and the socket return the same history")
async def _rest_history(context: CheckContext) -> None:
    customer, _ = await context.numbered_pair()
    numbers = await _send_batch(context, customer)
    path = f"/api/conversations/{context.conversation_id}/messages?afterSeq={numbers[0] - 1}"
    status, body = await context.get(path, **_header(context))
    require(status == OK, f"the status is {status}")
    require(isinstance(body, dict) and _numbers(body)[:BATCH_SIZE] == numbers, "the histories differ")


@addition_check("rest.private", "REST returns no conversation to other users")
async def _rest_private(context: CheckContext) -> None:
    await context.numbered_pair()
    path = f"/api/conversations/{context.conversation_id}/messages"
    for headers in ({}, _header(context, 1)):
        status, _ = await context.get(path, **headers)
        require(status != OK, "it was returned")


@addition_check("rest.send", "a message sent over REST reaches the sockets")
async def _rest_send(context: CheckContext) -> None:
    _, agent = await context.numbered_pair()
    content = unique_text()
    path = f"{context.url}/api/conversations/{context.conversation_id}/messages"
    body = {"conversationId": context.conversation_id, "content": content}
    async with context.http.post(path, json=body, headers=_header(context)) as response:
        if response.status not in {OK, 201}:
            raise NotOffered(f"the status is {response.status}")
    await agent.expect("message_received", content=content)


async def _send_batch(context: CheckContext, client: RawClient) -> list[int]:
    acks = [await context.send_message(client, unique_text()) for _ in range(BATCH_SIZE)]
    require(all(isinstance(ack.get("seq"), int) for ack in acks), f"a message was refused: {acks[-1]}")
    return [int(str(ack["seq"])) for ack in acks]


def _numbers(page: Fields) -> list[int]:
    messages = page.get("messages")
    return [message["seq"] for message in messages] if isinstance(messages, list) else []


@addition_check("catchup.recovery", "a client that returns with pid and offset receives what it missed, once")
async def _recovery(context: CheckContext) -> None:
    customer, agent = await context.pair()
    received = unique_text()
    await context.send_message(agent, received)
    await customer.expect("message_received", content=received)
    await context.send_message(customer, unique_text())  # its ack follows the offset of the message before
    if customer.pid is None or customer.offset is None:
        raise NotOffered("the server sends no pid and offset")
    await customer.close()
    missed = unique_text()
    await context.send_message(agent, missed)
    returned = await context.connect({**context.auth(), "pid": customer.pid, "offset": customer.offset})
    require(returned.pid == customer.pid, "the connection was not recovered: its pid is new")
    await returned.expect("message_received", content=missed)
    require(not await returned.receives("message_received", content=missed), "a missed message was delivered twice")
    require(not await returned.receives("message_received", content=received), "a message was delivered again")


def _code(ack: Fields) -> object:
    error = ack.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _header(context: CheckContext, number: int = 0) -> dict[str, str]:
    return {"X-Session-Id": str(context.auth(number=number)["sessionId"])}
