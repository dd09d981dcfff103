"""Messages: stored before any ack or broadcast, numbered without gaps, once per client message id."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat


def message(content: str = "hello", conversation_id: str = "conv-1", **fields: Any) -> dict[str, Any]:
    return {"conversationId": conversation_id, "content": content, **fields}


async def test_message_reaches_every_member_and_its_sender_with_the_acked_seq(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    ack = await customer.call("send_message", message("hi"))
    assert ack["success"]
    for peer in (agent, customer):
        received = await peer.expect("message_received", content="hi")
        assert (received["seq"], received["messageId"]) == (ack["seq"], ack["messageId"])
        assert received["timestamp"] == ack["timestamp"]
        assert received["conversationId"] == "conv-1"


async def test_broadcast_comes_before_the_ack(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.call("send_message", message())
    assert customer.seen("message_received")


async def test_seq_starts_at_one_and_has_no_holes(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    acks = [await customer.call("send_message", message(str(number))) for number in range(5)]
    assert [ack["seq"] for ack in acks] == [1, 2, 3, 4, 5]


async def test_repeat_gets_the_first_ack_and_no_second_broadcast(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    first = await customer.call("send_message", message(clientMessageId="m-1"))
    again = await customer.call("send_message", message(clientMessageId="m-1"))
    assert again == {**first, "duplicate": True}
    await agent.settle()
    assert len(agent.seen("message_received")) == 1
    assert agent.seen("message_received")[0]["clientMessageId"] == "m-1"


async def test_other_content_under_the_same_id_is_a_conflict(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.call("send_message", message("one", clientMessageId="m-1"))
    refused = await customer.call("send_message", message("two", clientMessageId="m-1"))
    assert refused["error"]["code"] == "idempotency_conflict"


async def test_duplicates_inside_one_commit_batch_are_stored_once(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    twin = await chat.customer("twin")
    futures = []
    for number in range(10):
        payload = message(f"text {number}", clientMessageId=f"m-{number}")
        futures += [await customer.start("send_message", payload), await customer.start("send_message", payload)]
    acks = await asyncio.gather(*futures)
    assert sorted({ack["seq"] for ack in acks}) == list(range(1, 11))
    assert sum(bool(ack.get("duplicate")) for ack in acks) == 10
    await agent.settle()
    assert [one["seq"] for one in agent.seen("message_received")] == list(range(1, 11))
    await twin.close()


async def test_one_clients_messages_keep_their_order(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    futures = [await customer.start("send_message", message(str(number))) for number in range(20)]
    acks = await asyncio.gather(*futures)
    assert [ack["seq"] for ack in acks] == list(range(1, 21))
    await agent.settle()
    assert [one["content"] for one in agent.seen("message_received")] == [str(number) for number in range(20)]


async def test_order_is_kept_when_sends_are_rate_limited(start_chat: StartChat) -> None:
    chat = await start_chat(send_per_s=50, send_burst=3)
    agent, customer = await chat.pair()
    accepted: list[int] = []
    for number in range(10):
        while True:
            ack = await customer.call("send_message", message(str(number), clientMessageId=f"m-{number}"))
            if ack["success"]:
                break
            assert ack["error"]["code"] == "rate_limited"
            assert ack["error"]["retryable"]
            await asyncio.sleep(ack["error"]["retryAfterMs"] / 1000)
        accepted.append(ack["seq"])
    assert accepted == list(range(1, 11))
    await agent.settle()
    assert [one["content"] for one in agent.seen("message_received")] == [str(number) for number in range(10)]


async def test_order_is_kept_when_the_server_drains(start_chat: StartChat) -> None:
    chat = await start_chat()
    agent, customer = await chat.pair()
    futures = [await customer.start("send_message", message(str(number))) for number in range(10)]
    drain = asyncio.create_task(chat.drain())
    answers = await asyncio.gather(*futures, return_exceptions=True)
    await drain
    acked = [answer["seq"] for answer in answers if isinstance(answer, dict) and answer["success"]]
    refused = [answer["error"]["code"] for answer in answers if isinstance(answer, dict) and not answer["success"]]
    assert acked == list(range(1, len(acked) + 1))
    assert len(acked) + len(refused) == 10
    assert set(refused) <= {"draining"}
    assert await agent.wait_closed() == 1012


async def test_server_sets_sender_role_and_time_and_ignores_those_of_the_client(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    forged: dict[str, Any] = {
        "sender": {"userId": "agent-1", "role": "admin"},
        "role": "admin",
        "userId": "x",
        "timestamp": "1999",
    }
    await customer.call("send_message", message("forged", **forged))
    received = await agent.expect("message_received", content="forged")
    assert received["sender"]["role"] == "customer"
    assert received["sender"]["userId"] != "agent-1"
    assert not received["timestamp"].startswith("1999")


async def test_content_is_validated(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    for content, code in (
        ("", "bad_request"),
        (" \n\t ", "bad_request"),
        ("a\x00b", "bad_request"),
        ("\x1b]0;pwn\x07", "bad_request"),
        ("a\x85b", "bad_request"),
        ("x" * 4001, "too_large"),
        ("\U0001f600" * 4000, None),
        ("x" * 4000, None),
    ):
        ack = await customer.call("send_message", message(content))
        assert ack["success"] is (code is None), content
        assert code is None or ack["error"]["code"] == code, content


async def test_line_ends_become_lf_and_the_rest_is_verbatim(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.call("send_message", message("<b>a</b>\r\nb\rc '); drop table messages;--"))
    received = await agent.expect("message_received")
    assert received["content"] == "<b>a</b>\nb\nc '); drop table messages;--"


async def test_send_without_join_is_refused(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.call("leave_conversation", "conv-1")
    refused = await customer.call("send_message", message())
    assert refused["error"]["code"] == "not_joined"


async def test_foreign_and_missing_conversations_are_indistinguishable_to_a_customer(start_chat: StartChat) -> None:
    chat = await start_chat()
    await chat.pair()
    other_customer = await chat.customer("stranger")
    asks: list[tuple[str, Any]] = [
        ("join_conversation", "conv-1"),
        ("send_message", message()),
        ("history", {"conversationId": "conv-1"}),
    ]
    missing = await other_customer.call("history", {"conversationId": "nothing-here"})
    assert missing["error"]["code"] == "forbidden"
    for name, payload in asks:
        foreign = await other_customer.call(name, payload)
        assert foreign["error"] == missing["error"]


async def test_failed_request_without_ack_gets_an_error_event(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.emit("send_message", {"conversationId": 1})
    failed = await customer.expect("error")
    assert failed["code"] == "bad_request"
    assert failed["event"] == "send_message"
    assert failed["message"]


async def test_customers_message_reopens_a_resolved_conversation(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    version = (await agent.call("join_conversation", "conv-1"))["conversation"]["version"]
    resolved = await agent.call("resolve_conversation", {"conversationId": "conv-1", "version": version})
    assert resolved["conversation"]["status"] == "resolved"
    assert (await customer.call("send_message", message("still there?")))["success"]
    update = await customer.expect("conversation_updated")
    while update["conversation"]["status"] != "queued":
        update = await customer.expect("conversation_updated")
    assert update["conversation"]["version"] > resolved["conversation"]["version"]
