"""Joins and missed messages: complete and in order during concurrent activity."""

from __future__ import annotations

import asyncio
import json
from itertools import chain
from typing import Any

from chatws.protocol.limits import PAGE_BYTES
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.messages import fill, seqs
from tests.support.peer import Peer


async def catch_up(peer: Peer, after_seq: int, conversation_id: str = "conv-1") -> list[Any]:
    """Join repeatedly until no messages are left, as the SDK does; return all pages."""
    pages = []
    while True:
        ack = await peer.call("join_conversation", {"conversationId": conversation_id, "afterSeq": after_seq})
        assert ack["success"], ack
        pages.append(ack["messages"])
        if not ack["hasMore"]:
            return pages
        after_seq = ack["messages"][-1]["seq"]


async def test_join_ack_has_the_state_and_no_messages(chat: RunningChat) -> None:
    await fill(chat, 3)
    agent = await chat.agent()
    ack = await agent.call("join_conversation", "conv-1")
    assert ack["conversation"]["headSeq"] == 3
    assert ack["conversation"]["lastMessage"]["seq"] == 3
    assert ack["conversation"]["customer"] == {"userId": "ann", "userName": "Ann", "role": "customer"}
    assert ack["epoch"] == chat.parts.store.epoch
    assert (ack["recovered"], ack["messages"], ack["hasMore"]) == (True, [], False)
    assert (ack["readMarks"], ack["typing"]) == ([], [])


async def test_missed_messages_arrive_completely_and_in_order(chat: RunningChat) -> None:
    await fill(chat, 20)
    ack = await (await chat.agent()).call("join_conversation", {"conversationId": "conv-1", "afterSeq": 5})
    assert seqs(ack["messages"]) == list(range(6, 21))
    assert (ack["recovered"], ack["hasMore"]) == (True, False)


async def test_join_at_the_head_returns_no_messages(chat: RunningChat) -> None:
    await fill(chat, 2)
    ack = await (await chat.agent()).call("join_conversation", {"conversationId": "conv-1", "afterSeq": 2})
    assert (ack["recovered"], ack["messages"], ack["hasMore"]) == (True, [], False)


async def test_after_seq_zero_returns_the_whole_conversation(chat: RunningChat) -> None:
    await fill(chat, 4)
    ack = await (await chat.agent()).call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert seqs(ack["messages"]) == [1, 2, 3, 4]


async def test_pages_end_at_300_messages(chat: RunningChat) -> None:
    await fill(chat, 700)
    pages = await catch_up(await chat.agent(), 50)
    assert [len(page) for page in pages] == [300, 300, 50]
    assert seqs(chain.from_iterable(pages)) == list(range(51, 701))


async def test_pages_end_at_128_kib(chat: RunningChat) -> None:
    await fill(chat, 80, "\N{GRINNING FACE}" * 1000)
    pages = await catch_up(await chat.agent(), 0)
    assert len(pages) > 2
    assert all(
        len(json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()) <= PAGE_BYTES for page in pages
    )
    assert seqs(chain.from_iterable(pages)) == list(range(1, 81))


async def test_position_beyond_the_head_is_not_recovered(chat: RunningChat) -> None:
    await fill(chat, 3)
    ack = await (await chat.agent()).call("join_conversation", {"conversationId": "conv-1", "afterSeq": 4})
    assert (ack["recovered"], ack["messages"], ack["conversation"]["headSeq"]) == (False, [], 3)


async def test_position_of_another_database_is_not_recovered(chat: RunningChat) -> None:
    await fill(chat, 3)
    agent = await chat.agent()
    foreign = {"conversationId": "conv-1", "afterSeq": 1, "epoch": "another"}
    ack = await agent.call("join_conversation", foreign)
    assert (ack["recovered"], ack["messages"], ack["hasMore"]) == (False, [], False)
    own = await agent.call("join_conversation", {**foreign, "epoch": ack["epoch"]})
    assert (own["recovered"], seqs(own["messages"])) == (True, [2, 3])


async def test_repeated_join_is_acked_and_changes_nothing(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    again = await agent.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert again["success"]
    await customer.call("send_message", {"conversationId": "conv-1", "content": "once"})
    await agent.settle()
    assert len(agent.seen("message_received")) == 1
    await customer.settle()
    assert not customer.seen("presence_update")


async def test_nothing_is_missing_between_the_ack_and_the_events_of_a_join(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    agent, customer = await chat.pair()
    last = 0
    for _ in range(40):
        await agent.call("leave_conversation", "conv-1")
        agent.events.clear()
        sends = [await customer.start("send_message", {"conversationId": "conv-1", "content": "a"}) for _ in range(3)]
        join = await agent.start("join_conversation", {"conversationId": "conv-1", "afterSeq": last})
        sends += [await customer.start("send_message", {"conversationId": "conv-1", "content": "b"}) for _ in range(3)]
        head = max(seqs(await asyncio.gather(*sends)))
        caught_up = seqs((await join)["messages"])
        await agent.settle()
        buffered = [seq for seq in seqs(agent.seen("message_received")) if seq > (caught_up or [last])[-1]]
        assert caught_up + buffered == list(range(last + 1, head + 1))
        last = head


async def test_room_is_entered_before_rows_are_read(chat: RunningChat) -> None:
    """Store messages while the rows are read: all of them reach the client as events."""
    agent, customer = await chat.pair()
    await agent.call("leave_conversation", "conv-1")
    store, rows_read, released = chat.parts.store, asyncio.Event(), asyncio.Event()
    snapshot = store.snapshot

    async def slow_snapshot(conversation_id: str, after_seq: int | None) -> Any:
        rows = await snapshot(conversation_id, after_seq)
        rows_read.set()
        await released.wait()
        return rows

    store.snapshot = slow_snapshot  # type: ignore[method-assign]  # no database can be made to pause here
    join = await agent.start("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    await rows_read.wait()
    await customer.call("send_message", {"conversationId": "conv-1", "content": "meanwhile"})
    released.set()
    ack = await join
    await agent.expect("message_received", content="meanwhile")
    assert ack["messages"] == []


async def test_pages_larger_than_the_outbox_reach_a_client_that_reads_slowly(start_chat: StartChat) -> None:
    chat = await start_chat(send_buffer_bytes=4096, max_outbox_bytes=65_536)
    names = [f"conv-{number}" for number in range(8)]
    for name in names:
        await fill(chat, 40, "x" * 3900, name)
    agent = await chat.agent(buffer_bytes=4096)
    agent.pause_reading()
    joins = [await agent.start("join_conversation", {"conversationId": name, "afterSeq": 0}) for name in names]
    pages = [await agent.start("history", {"conversationId": name, "afterSeq": 0, "limit": 100}) for name in names]
    await until(lambda: chat.engine.outbox_bytes()[1] > 65_536 // 4)
    agent.resume_reading()
    for ack in await asyncio.gather(*joins, *pages):
        assert seqs(ack["messages"]) == list(range(1, len(ack["messages"]) + 1))
        assert len(ack["messages"]) > 30


async def test_left_room_delivers_no_messages_and_cannot_be_left_again(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    assert await agent.call("leave_conversation", "conv-1") == {"success": True}
    assert agent.seen("left_conversation") == [{"conversationId": "conv-1"}]
    await customer.call("send_message", {"conversationId": "conv-1", "content": "gone?"})
    await agent.settle()
    assert not agent.seen("message_received")
    assert (await agent.call("leave_conversation", "conv-1"))["error"]["code"] == "not_joined"


async def test_positions_contain_the_heads_of_joined_conversations(start_chat: StartChat) -> None:
    chat = await start_chat(positions_ms=300)
    await fill(chat, 7)
    agent = await chat.agent()
    await agent.call("join_conversation", "conv-1")
    await chat.customer()
    assert await agent.expect("positions") == {"conv-1": 7}
