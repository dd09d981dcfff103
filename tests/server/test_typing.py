"""Typing: state per user and connection, sent to other users only, expiring by itself."""

from __future__ import annotations

import pytest

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Peer

LONG_MS = 60_000


def shown(peer: Peer) -> list[bool]:
    return [event["isTyping"] for event in peer.seen("typing_indicator")]


async def second_tab(chat: RunningChat, peer_id: str = "agent-1") -> Peer:
    tab = await chat.agent(peer_id)
    await tab.call("join_conversation", "conv-1")
    return tab


async def test_indicator_names_conversation_and_user(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.call("typing_start", "conv-1")
    assert await customer.expect("typing_indicator") == {
        "conversationId": "conv-1",
        "userId": "agent-1",
        "userName": "Agent-1",
        "isTyping": True,
    }


async def test_reply_to_a_join_omits_own_typing_on_another_connection(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    await agent.call("typing_start", "conv-1")
    tab, other = await chat.agent("agent-1"), await chat.agent("agent-2")
    assert (await tab.call("join_conversation", "conv-1"))["typing"] == []
    assert (await other.call("join_conversation", "conv-1"))["typing"] == ["agent-1"]


async def test_own_connections_are_not_shown_own_typing(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    tab = await second_tab(chat)
    await agent.call("typing_start", "conv-1")
    await customer.expect("typing_indicator", isTyping=True)
    for own in (agent, tab):
        await own.settle()
        assert not shown(own)


async def test_typing_expires_by_itself(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=100)
    agent, customer = await chat.pair()
    await agent.call("typing_start", "conv-1")
    await customer.expect("typing_indicator", isTyping=True)
    await customer.expect("typing_indicator", isTyping=False)


async def test_repeated_start_extends_typing_and_is_not_sent_again(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=LONG_MS)
    agent, customer = await chat.pair()
    for _ in range(2):
        await agent.call("typing_start", "conv-1")
        chat.clock.advance(0.6 * LONG_MS / 1000)
    await customer.settle()
    assert shown(customer) == [True]
    chat.clock.advance(0.6 * LONG_MS / 1000)
    await customer.expect("typing_indicator", isTyping=True)
    await customer.expect("typing_indicator", isTyping=False)


async def test_user_is_typing_while_any_connection_is(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=LONG_MS)
    agent, customer = await chat.pair()
    tab = await second_tab(chat)
    await agent.call("typing_start", "conv-1")
    await tab.call("typing_start", "conv-1")
    await agent.call("typing_stop", "conv-1")
    await customer.settle()
    assert shown(customer) == [True]
    await tab.call("typing_stop", "conv-1")
    await customer.expect("typing_indicator", isTyping=False)


@pytest.mark.parametrize("end", ["send", "leave", "disconnect", "cut"])
async def test_typing_ends_at_once_on(start_chat: StartChat, end: str) -> None:
    chat = await start_chat(typing_expire_ms=LONG_MS)
    agent, customer = await chat.pair()
    await agent.call("typing_start", "conv-1")
    await customer.expect("typing_indicator", isTyping=True)
    match end:
        case "send":
            await agent.call("send_message", {"conversationId": "conv-1", "content": "done"})
        case "leave":
            await agent.call("leave_conversation", "conv-1")
        case "disconnect":
            await agent.close()
        case _:
            agent.cut()
    await customer.expect("typing_indicator", isTyping=False)


@pytest.mark.parametrize("end", ["send", "leave", "disconnect"])
async def test_end_of_typing_is_sent_in_spite_of_the_rate_limit(start_chat: StartChat, end: str) -> None:
    chat = await start_chat(typing_expire_ms=LONG_MS, typing_per_s=0.001, typing_burst=1)
    agent, customer = await chat.pair()
    await second_tab(chat)
    await agent.call("typing_start", "conv-1")
    if end == "send":
        await agent.call("send_message", {"conversationId": "conv-1", "content": "done"})
    elif end == "leave":
        await agent.call("leave_conversation", "conv-1")
    else:
        await agent.close()
    await customer.expect("typing_indicator", isTyping=True)
    await customer.expect("typing_indicator", isTyping=False)


async def test_message_comes_before_the_end_of_its_typing(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.call("typing_start", "conv-1")
    await agent.call("send_message", {"conversationId": "conv-1", "content": "done"})
    await customer.settle()
    names = [name for name, _ in customer.events if name in {"typing_indicator", "message_received"}]
    assert names == ["typing_indicator", "message_received", "typing_indicator"]


async def test_thousand_changes_give_few_events_and_the_last_state(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off", typing_per_s=20, typing_burst=4)
    agent, customer = await chat.pair()
    for _ in range(500):
        await agent.emit("typing_start", "conv-1")
        await agent.emit("typing_stop", "conv-1")
    await agent.call("typing_start", "conv-1")
    while not shown(customer) or not shown(customer)[-1]:
        await customer.settle()
    events = shown(customer)
    assert len(events) < 100
    assert events == [number % 2 == 0 for number in range(len(events))]
    await agent.call("typing_stop", "conv-1")
    await customer.expect("typing_indicator", isTyping=False)


async def test_flood_of_typing_is_rate_limited_and_no_typing_stays_shown(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=200)
    agent, customer = await chat.pair()
    for _ in range(500):
        await agent.emit("typing_start", "conv-1")
        await agent.emit("typing_stop", "conv-1")
    refusals = [await agent.expect("error") for _ in range(100)]
    assert {refusal["code"] for refusal in refusals} == {"rate_limited"}
    while not shown(customer) or shown(customer)[-1]:
        await customer.settle()
    assert len(shown(customer)) < 50


async def test_join_contains_typing_users(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.call("typing_start", "conv-1")
    user_id = (await agent.expect("typing_indicator"))["userId"]
    late = await chat.agent("agent-2")
    assert (await late.call("join_conversation", "conv-1"))["typing"] == [user_id]
    await customer.call("typing_stop", "conv-1")
    assert (await late.call("join_conversation", "conv-1"))["typing"] == []


async def test_stop_without_start_is_not_shown(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    assert (await agent.call("typing_stop", "conv-1"))["success"]
    await customer.settle()
    assert not shown(customer)


async def test_typing_outside_of_a_joined_conversation_is_refused(chat: RunningChat) -> None:
    await chat.pair()
    agent, other_customer = await chat.agent("agent-2"), await chat.customer()
    for name in ("typing_start", "typing_stop"):
        assert (await agent.call(name, "conv-1"))["error"]["code"] == "not_joined"
        assert (await other_customer.call(name, "conv-1"))["error"]["code"] == "forbidden"


async def test_typing_in_one_conversation_is_not_shown_in_another(chat: RunningChat) -> None:
    agent, customer = await chat.pair("conv-1")
    other = await chat.customer()
    await other.call("join_conversation", "conv-2")
    await agent.call("join_conversation", "conv-2")
    await agent.call("typing_start", "conv-1")
    await customer.expect("typing_indicator")
    await other.settle()
    assert not shown(other)
