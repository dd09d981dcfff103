"""GET and POST /api/conversations/{id}/messages, GET /api/messages: fallback and initial load of the guide."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.server.conftest import StartChat
from tests.server.rest.support import bearer, code_of, new_session
from tests.support.chat import RunningChat


async def send(
    chat: RunningChat, session: Any, header: dict[str, str], content: object, **fields: Any
) -> tuple[int, Any]:
    path = f"/api/conversations/{session['conversationId']}/messages"
    return await chat.post(path, {"content": content, **fields}, headers=header)


async def test_message_sent_over_rest_reaches_the_room(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    agent = await chat.agent()
    await agent.call("join_conversation", session["conversationId"])
    status, ack = await send(chat, session, header, "hello\r\nworld")
    assert (status, ack["success"], ack["seq"]) == (200, True, 1)
    received = await agent.expect("message_received", content="hello\nworld")
    assert received["messageId"] == ack["messageId"]
    assert received["sender"]["userId"] == session["userId"]


async def test_repeat_over_rest_of_a_message_sent_by_socket_is_a_duplicate(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    customer = await chat.customer(session["sessionId"])
    await customer.call("join_conversation", session["conversationId"])
    message = {"conversationId": session["conversationId"], "content": "once", "clientMessageId": "m1"}
    first = await customer.call("send_message", message)
    status, again = await send(chat, session, header, "once", clientMessageId="m1")
    assert (status, again["duplicate"], again["messageId"]) == (200, True, first["messageId"])
    await customer.settle()
    assert len(customer.seen("message_received")) == 1
    status, body = await send(chat, session, header, "other", clientMessageId="m1")
    assert (status, code_of(body)) == (409, "idempotency_conflict")


async def test_conversation_id_of_the_path_overrides_the_body(chat: RunningChat) -> None:
    other, _ = await new_session(chat)
    session, header = await new_session(chat)
    status, ack = await send(chat, session, header, "mine", conversationId=other["conversationId"])
    assert (status, ack["seq"]) == (200, 1)
    _, page = await chat.get(f"/api/conversations/{other['conversationId']}/messages", headers=bearer(chat.token()))
    assert page["messages"] == []


async def test_sender_in_the_body_is_ignored(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    forged = {"sender": {"userId": "agnes", "role": "admin"}, "role": "admin", "userId": "agnes", "timestamp": "1999"}
    await send(chat, session, header, "hi", **forged)
    _, page = await chat.get("/api/messages", headers=header)
    assert page["messages"][0]["sender"]["userId"] == session["userId"]
    assert page["messages"][0]["timestamp"] > "2020"


async def test_history_pages_backward_and_forward_without_gaps(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    session, header = await new_session(chat)
    for number in range(1, 8):
        await send(chat, session, header, str(number))
    path = f"/api/conversations/{session['conversationId']}/messages"

    async def page(query: str) -> tuple[list[int], bool, bool, int]:
        _, body = await chat.get(f"{path}?{query}", headers=header)
        seqs = [message["seq"] for message in body["messages"]]
        return seqs, body["hasMoreBefore"], body["hasMoreAfter"], body["headSeq"]

    assert await page("limit=3") == ([5, 6, 7], True, False, 7)
    assert await page("limit=3&beforeSeq=5") == ([2, 3, 4], True, True, 7)
    assert await page("limit=3&beforeSeq=2") == ([1], False, True, 7)
    assert await page("limit=4&afterSeq=0") == ([1, 2, 3, 4], False, True, 7)
    assert await page("limit=4&afterSeq=4") == ([5, 6, 7], True, False, 7)
    status, body = await chat.get(f"{path}?beforeSeq=3&afterSeq=1", headers=header)
    assert (status, code_of(body)) == (400, "bad_request")


async def test_initial_load_returns_the_conversation_of_the_session(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    await send(chat, session, header, "hello")
    status, body = await chat.get("/api/messages", headers=header)
    assert (status, [message["content"] for message in body["messages"]]) == (200, ["hello"])
    assert body["messages"][0]["conversationId"] == session["conversationId"]


async def test_initial_load_before_the_first_conversation_is_empty(chat: RunningChat) -> None:
    status, body = await chat.get("/api/messages", headers={"X-Session-Id": "fresh"})
    assert (status, body["messages"], body["headSeq"]) == (200, [], 0)


async def test_agent_must_name_the_conversation_of_the_initial_load(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    await send(chat, session, header, "hello")
    token = bearer(chat.token())
    status, body = await chat.get(f"/api/messages?conversationId={session['conversationId']}", headers=token)
    assert (status, body["headSeq"]) == (200, 1)
    status, body = await chat.get("/api/messages", headers=token)
    assert (status, code_of(body)) == (400, "bad_request")


async def test_customer_cannot_access_another_customers_conversation(chat: RunningChat) -> None:
    session, _ = await new_session(chat)
    _, other_header = await new_session(chat)
    for status, body in (
        await send(chat, session, other_header, "hi"),
        await chat.get(f"/api/conversations/{session['conversationId']}/messages", headers=other_header),
        await chat.get(f"/api/messages?conversationId={session['conversationId']}", headers=other_header),
    ):
        assert (status, code_of(body)) == (403, "forbidden")


async def test_sends_of_one_user_over_rest_are_limited_together(start_chat: StartChat) -> None:
    chat = await start_chat(send_burst=3, send_per_s=0.001)
    session, header = await new_session(chat)
    responses = [await send(chat, session, header, str(number)) for number in range(4)]
    assert [status for status, _ in responses] == [200, 200, 200, 429]
    assert responses[3][1]["error"]["retryable"] is True
    other, other_header = await new_session(chat)
    assert (await send(chat, other, other_header, "not limited"))[0] == 200


async def test_request_that_waited_in_the_store_is_not_limited_by_a_later_one(start_chat: StartChat) -> None:
    chat = await start_chat(send_burst=2, send_per_s=1)
    session, header = await new_session(chat)
    read, waits, may_read = chat.parts.store.conversation, asyncio.Event(), asyncio.Event()

    async def slow(conversation_id: str) -> Any:
        chat.parts.store.conversation = read  # type: ignore[method-assign]  # only the first read is slow
        waits.set()
        await may_read.wait()
        return await read(conversation_id)

    chat.parts.store.conversation = slow  # type: ignore[method-assign]  # no database is slow on demand
    first = asyncio.create_task(send(chat, session, header, "first"))
    await waits.wait()
    chat.clock.advance(10)
    assert (await send(chat, session, header, "second"))[0] == 200
    may_read.set()
    assert (await first)[0] == 200


async def test_content_has_the_same_limits_as_over_socket(chat: RunningChat) -> None:
    session, header = await new_session(chat)
    assert (await send(chat, session, header, "\U0001f600" * 4000))[0] == 200
    for content, status, code in (
        ("x" * 4001, 413, "too_large"),
        (" \n", 400, "bad_request"),
        ("a\x00b", 400, "bad_request"),
        (7, 400, "bad_request"),
    ):
        got, body = await send(chat, session, header, content)
        assert (got, code_of(body)) == (status, code)
