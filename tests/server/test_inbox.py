"""Inbox: the list, then updates of each conversation at a limited rate."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from chatws.protocol.limits import PAGE_BYTES
from chatws.store.interface import Unavailable
from tests.server.conftest import StartChat
from tests.server.rest.support import bearer
from tests.support.chat import RunningChat
from tests.support.messages import fill
from tests.support.peer import Peer


async def follow(chat: RunningChat, user_id: str = "follower", **query: str) -> tuple[Peer, list[str]]:
    """Subscribe an agent; return the peer and the listed ids."""
    agent = await chat.agent(user_id)
    ack = await agent.call("subscribe_inbox", query)
    assert ack["success"], ack
    return agent, [conversation["conversationId"] for conversation in ack["conversations"]]


async def updated(peer: Peer, **fields: Any) -> Any:
    """Wait for an update whose conversation has these fields."""
    while True:
        conversation = (await peer.expect("conversation_updated"))["conversation"]
        if all(conversation[name] == value for name, value in fields.items()):
            return conversation


async def write(customer: Peer, conversation_id: str) -> None:
    """Start a conversation with a customer's first message."""
    await customer.call("join_conversation", conversation_id)
    assert (await customer.call("send_message", {"conversationId": conversation_id, "content": "hello"}))["success"]


async def claim(chat: RunningChat, agent: Peer, conversation_id: str = "conv-1") -> Any:
    conversation = await chat.parts.store.conversation(conversation_id)
    assert conversation is not None
    payload = {"conversationId": conversation_id, "version": conversation.version}
    return await agent.call("claim_conversation", payload)


async def test_list_has_the_conversations_last_changed_first(chat: RunningChat) -> None:
    for name in ("conv-1", "conv-2", "conv-3"):
        await fill(chat, 1, conversation_id=name)
        await asyncio.sleep(0.002)
    await fill(chat, 1, conversation_id="conv-1")
    _, listed = await follow(chat)
    assert listed == ["conv-1", "conv-3", "conv-2"]


async def test_payload_may_be_omitted(chat: RunningChat) -> None:
    assert (await (await chat.agent()).call("subscribe_inbox"))["success"]


async def test_subscriber_receives_new_conversations_and_messages(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=10)
    follower, listed = await follow(chat)
    assert listed == []
    customer = await chat.customer()
    await write(customer, "conv-1")
    conversation = await updated(follower, headSeq=1)
    assert conversation["lastMessage"]["content"] == "hello"
    assert not follower.seen("message_received")


async def test_agents_without_subscription_receive_nothing(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1)
    bystander = await chat.agent("bystander")
    follower, _ = await follow(chat)
    _, customer = await chat.pair()
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    await updated(follower, headSeq=1)
    await bystander.settle()
    assert [name for name, _ in bystander.events] == ["authenticated"]


async def test_customers_have_no_inbox(chat: RunningChat) -> None:
    assert (await (await chat.customer()).call("subscribe_inbox", {}))["error"]["code"] == "forbidden"


async def test_updates_of_one_conversation_are_limited_and_the_last_state_is_sent(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=300, limits="off")
    follower, _ = await follow(chat)
    loop = asyncio.get_running_loop()
    began = loop.time()
    _, customer = await chat.pair()
    for number in range(30):
        await customer.call("send_message", {"conversationId": "conv-1", "content": str(number)})
    heads = [0]
    while heads[-1] < 30:
        heads.append((await follower.expect("conversation_updated"))["conversation"]["headSeq"])
    assert len(heads) - 1 <= (loop.time() - began) / 0.3 + 1
    await follower.settle()
    assert not follower.seen("conversation_updated")


async def test_change_that_could_not_be_read_is_sent_when_the_store_recovers(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=10)
    follower, _ = await follow(chat)
    await fill(chat, 1)
    read = chat.parts.store.conversation
    failures = iter(range(3))

    async def failing(conversation_id: str) -> Any:
        if next(failures, None) is not None:
            raise Unavailable("locked")
        return await read(conversation_id)

    chat.parts.store.conversation = failing  # type: ignore[method-assign]  # no database fails on demand
    chat.parts.inbox.schedule_update("conv-1")
    assert (await updated(follower, conversationId="conv-1"))["headSeq"] == 1
    assert next(failures, None) is None


async def test_update_rate_is_limited_per_conversation(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=60_000)
    follower, _ = await follow(chat)
    for name in ("conv-1", "conv-2", "conv-3"):
        await write(await chat.customer(), name)
    seen = {(await updated(follower))["conversationId"] for _ in range(3)}
    assert seen == {"conv-1", "conv-2", "conv-3"}


async def test_conversation_without_a_message_is_listed_from_its_first_message_or_claim(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1)
    for name in ("conv-1", "conv-2"):
        await fill(chat, 0, conversation_id=name)
    agent, listed = await follow(chat)
    queue, queued = await follow(chat, "queue-watcher", status="queued")
    assert (listed, queued) == ([], [])
    assert (await chat.get("/api/conversations", headers=bearer(chat.token())))[1]["conversations"] == []
    await (await chat.customer()).call("join_conversation", "conv-3")
    await queue.settle()
    assert not queue.seen("conversation_updated")
    assert (await claim(chat, agent, "conv-2"))["success"]
    assert (await updated(agent))["conversationId"] == "conv-2"
    await fill(chat, 1)
    chat.parts.inbox.schedule_update("conv-1")
    assert (await updated(queue, conversationId="conv-1"))["headSeq"] == 1
    assert (await follow(chat, "late"))[1] == ["conv-1", "conv-2"]


async def test_status_filter_applies_to_the_list_and_the_updates(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1)
    await fill(chat, 1, conversation_id="conv-1")
    await fill(chat, 1, conversation_id="conv-2")
    agent = await chat.agent()
    assert (await claim(chat, agent, "conv-2"))["success"]
    queued, listed = await follow(chat, "queue-watcher", status="queued")
    assert listed == ["conv-1"]
    assigned, listed = await follow(chat, "assigned-watcher", status="assigned")
    assert listed == ["conv-2"]
    await agent.call("join_conversation", "conv-2")
    await agent.call("send_message", {"conversationId": "conv-2", "content": "hello"})
    assert (await updated(assigned, headSeq=2))["conversationId"] == "conv-2"
    await queued.settle()
    assert not queued.seen("conversation_updated")


async def test_subscriber_of_the_old_state_receives_the_new_one(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1)
    await fill(chat, 1)
    queued, _ = await follow(chat, "queue-watcher", status="queued")
    mine, _ = await follow(chat, "agent-1", assignee="agent-1")
    theirs, _ = await follow(chat, "agent-2", assignee="agent-2")
    assert (await claim(chat, mine))["success"]
    for peer in (queued, mine):
        assert (await updated(peer))["status"] == "assigned"
    await theirs.settle()
    assert not theirs.seen("conversation_updated")


async def test_change_within_the_interval_reaches_subscribers_of_the_old_state(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=200)
    queued, _ = await follow(chat, "queue-watcher", status="queued")
    await write(await chat.customer(), "conv-1")
    await updated(queued, status="queued")
    assert (await claim(chat, await chat.agent()))["success"]
    assert (await updated(queued))["status"] == "assigned"


async def test_second_subscription_replaces_the_first(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1)
    follower, _ = await follow(chat)
    await follower.call("subscribe_inbox", {"status": "resolved"})
    observer, _ = await follow(chat, "observer")
    await write(await chat.customer(), "conv-1")
    await updated(observer)
    await follower.settle()
    assert not follower.seen("conversation_updated")


async def test_list_of_long_messages_is_cut_to_a_page(start_chat: StartChat) -> None:
    """List a hundred conversations whose last messages have the maximum length; REST lists the others."""
    chat = await start_chat(send_buffer_bytes=4096)
    for number in range(100):
        await fill(chat, 1, "\N{GRINNING FACE}" * 3990, f"conv-{number}")
    agent = await chat.agent(buffer_bytes=4096)
    conversations = (await agent.call("subscribe_inbox", {}))["conversations"]
    assert len(conversations) > 5
    assert len(json.dumps(conversations, ensure_ascii=False, separators=(",", ":")).encode()) <= PAGE_BYTES
    assert [one["updatedAt"] for one in conversations] == sorted(
        (one["updatedAt"] for one in conversations), reverse=True
    )


async def test_invalid_filter_is_a_bad_request(chat: RunningChat) -> None:
    agent = await chat.agent()
    queries: list[Any] = [{"status": "open"}, {"assignee": "a b"}, {"status": None}, "queued", [], 7]
    for query in queries:
        assert (await agent.call("subscribe_inbox", query))["error"]["code"] == "bad_request", query


async def test_no_change_is_lost_between_the_list_and_the_updates(start_chat: StartChat) -> None:
    chat = await start_chat(inbox_update_ms=1, limits="off")
    await fill(chat, 1, conversation_id="conv-0")
    customers = [await chat.customer() for _ in range(10)]
    for number, peer in enumerate(customers, 1):
        await peer.call("join_conversation", f"conv-{number}")
    messages = [{"conversationId": f"conv-{number}", "content": "hello"} for number in range(1, 11)]
    sends = [await peer.start("send_message", one) for peer, one in zip(customers, messages, strict=True)]
    follower, listed = await follow(chat)
    await asyncio.gather(*sends)
    await asyncio.sleep(0)
    await follower.settle()
    shown = {event["conversation"]["conversationId"] for event in follower.seen("conversation_updated")}
    assert shown | set(listed) >= {f"conv-{n}" for n in range(11)}


async def test_reply_contains_unread_messages_and_waiting_customers(chat: RunningChat) -> None:
    await fill(chat, 3)
    agent, _ = await follow(chat)
    await agent.call("join_conversation", "conv-1")
    await agent.call("mark_read", {"conversationId": "conv-1", "seq": 1})
    (entry,) = (await agent.call("subscribe_inbox"))["entries"]
    assert (entry["conversationId"], entry["unread"], "waitingSince" in entry) == ("conv-1", 2, True)
    _, page = await chat.get("/api/conversations", headers=bearer(chat.token("follower")))
    assert page["entries"] == [entry]


async def test_events_during_a_subscription_are_not_undone_by_its_reply(
    start_chat: StartChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await start_chat(inbox_update_ms=1)
    customer = await chat.customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    await customer.call("join_conversation", "conv-1")
    await customer.call("send_message", {"conversationId": "conv-1", "content": "one"})
    agent = await chat.agent()
    read_entries = chat.parts.store.inbox_entries

    async def read_during_changes(*args: Any) -> Any:
        await customer.call("send_message", {"conversationId": "conv-1", "content": "two"})
        await customer.call("set_presence", {"status": "busy"})
        await agent.expect("conversation_updated")
        await agent.expect("presence_update", userId=user_id, status="busy")
        return await read_entries(*args)

    monkeypatch.setattr(chat.parts.store, "inbox_entries", read_during_changes)
    reply = await agent.call("subscribe_inbox")
    assert {one["userId"]: one["status"] for one in reply["presence"]}[user_id] == "busy"
    if reply["conversations"][0]["headSeq"] < 2:
        assert (await agent.expect("conversation_updated"))["conversation"]["headSeq"] == 2
