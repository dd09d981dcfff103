"""Delivery strictly by ``seq``: a gap is waited for, then read; unannounced messages are found by reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chatws.protocol.entities import Message
from chatws.store.interface import Draft, Head, Unavailable
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.messages import ANN, seqs
from tests.support.peer import Peer


async def received(peer: Peer, count: int) -> list[int]:
    """Wait for this many messages and return their ``seq`` in the order of arrival."""
    return [(await peer.expect("message_received"))["seq"] for _ in range(count)]


async def stored_unannounced(chat: RunningChat, count: int) -> list[Message]:
    """Store messages without notifying the server, as another server does during a bus outage."""
    return [(await chat.parts.store.append(Draft("conv-1", ANN, f"text {n}"))).message for n in range(count)]


async def test_reconciliation_delivers_messages_of_another_process(start_chat: StartChat) -> None:
    chat = await start_chat(sweep_ms=50)
    agent, _ = await chat.pair()
    async with chat.other_store() as store:
        for number in range(5):
            await store.append(Draft("conv-1", ANN, f"text {number}"))
    assert await received(agent, 5) == [1, 2, 3, 4, 5]


async def test_reconciliation_delivers_more_than_a_page(start_chat: StartChat) -> None:
    chat = await start_chat(sweep_ms=50)
    agent, _ = await chat.pair()
    await asyncio.gather(*(chat.parts.store.append(Draft("conv-1", ANN, "text")) for _ in range(650)))
    assert await received(agent, 650) == list(range(1, 651))


async def test_own_message_after_a_gap_waits_for_it(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await stored_unannounced(chat, 2)
    ack = await customer.call("send_message", {"conversationId": "conv-1", "content": "third"})
    assert ack["seq"] == 3
    assert await received(agent, 3) == [1, 2, 3]


async def test_out_of_order_messages_are_put_in_order(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    messages = await stored_unannounced(chat, 4)
    for index in (2, 3, 1, 0):
        chat.parts.hub.deliver(messages[index])
    await agent.settle()
    assert seqs(agent.seen("message_received")) == [1, 2, 3, 4]


async def test_persistent_gap_is_filled_from_the_database(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    messages = await stored_unannounced(chat, 6)
    for index in (2, 5):
        chat.parts.hub.deliver(messages[index])
    assert await received(agent, 6) == [1, 2, 3, 4, 5, 6]


async def test_repeated_delivery_is_broadcast_once(chat: RunningChat) -> None:
    agent, _ = await chat.pair()
    for message in await stored_unannounced(chat, 2) * 2:
        chat.parts.hub.deliver(message)
    await agent.settle()
    assert seqs(agent.seen("message_received")) == [1, 2]


async def test_message_received_while_a_gap_is_read_is_not_lost(start_chat: StartChat) -> None:
    chat = await start_chat(sweep_ms=60_000)
    agent, _ = await chat.pair()
    messages = await stored_unannounced(chat, 6)
    store, hosting = chat.parts.store, chat.parts.hub
    page_after = store.page_after

    async def page_during_delivery(conversation_id: str, after_seq: int, limit: int) -> object:
        page = await page_after(conversation_id, after_seq, min(limit, 2))
        hosting.deliver(messages[5])
        return page

    store.page_after = page_during_delivery  # type: ignore[assignment, method-assign]  # no timing guarantees this
    hosting.deliver(messages[2])
    assert await received(agent, 6) == [1, 2, 3, 4, 5, 6]


async def test_repair_ends_with_the_last_member(start_chat: StartChat) -> None:
    chat = await start_chat(sweep_ms=60_000)
    agent, customer = await chat.pair()
    messages = await stored_unannounced(chat, 3)
    chat.parts.hub.deliver(messages[2])
    for peer in (agent, customer):
        await peer.call("leave_conversation", "conv-1")
    ack = await agent.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert seqs(ack["messages"]) == [1, 2, 3]
    await customer.call("join_conversation", "conv-1")
    await customer.call("send_message", {"conversationId": "conv-1", "content": "fourth"})
    assert await received(agent, 1) == [4]


@pytest.mark.parametrize("problem", [Unavailable("locked"), KeyError("a bug")])
async def test_reconciliation_continues_after_a_failure(start_chat: StartChat, problem: Exception) -> None:
    chat = await start_chat(sweep_ms=20)
    agent, _ = await chat.pair()
    heads, failed = chat.parts.store.heads, asyncio.Event()

    async def failing(conversation_ids: Sequence[str]) -> dict[str, Head]:
        del conversation_ids
        failed.set()
        raise problem

    chat.parts.store.heads = failing  # type: ignore[method-assign]  # no database fails on demand
    await stored_unannounced(chat, 1)
    await failed.wait()
    chat.parts.store.heads = heads  # type: ignore[method-assign]  # restored
    assert await received(agent, 1) == [1]
