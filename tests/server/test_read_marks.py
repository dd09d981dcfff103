"""Read marks: move forward only, up to the head, broadcast to the room."""

from __future__ import annotations

from typing import Any

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.messages import fill
from tests.support.peer import Peer


async def reader(chat: RunningChat, count: int = 5) -> Peer:
    await fill(chat, count)
    agent = await chat.agent()
    await agent.call("join_conversation", "conv-1")
    return agent


async def mark(peer: Peer, seq: int) -> int:
    ack = await peer.call("mark_read", {"conversationId": "conv-1", "seq": seq})
    assert ack["success"], ack
    marked: int = ack["seq"]
    return marked


async def test_mark_is_sent_to_the_room_and_to_own_connections(chat: RunningChat) -> None:
    agent, other = await reader(chat), await chat.agent("agent-2")
    await other.call("join_conversation", "conv-1")
    assert await mark(agent, 3) == 3
    for peer in (agent, other):
        event = await peer.expect("message_read")
        assert (event["conversationId"], event["userId"], event["seq"]) == ("conv-1", "agent-1", 3)
        assert event["timestamp"].endswith("Z")


async def test_mark_never_moves_back_and_is_sent_once(chat: RunningChat) -> None:
    agent = await reader(chat)
    assert [await mark(agent, seq) for seq in (3, 2, 3, 5, 1)] == [3, 3, 3, 5, 5]
    assert [event["seq"] for event in agent.seen("message_read")] == [3, 5]


async def test_repeated_request_sends_a_mark_that_was_stored_and_not_sent(chat: RunningChat) -> None:
    agent = await reader(chat)
    await chat.parts.store.mark_read("conv-1", "agent-1", 3)  # as by a request whose commit was not confirmed
    assert await mark(agent, 3) == 3
    assert (await agent.expect("message_read"))["seq"] == 3


async def test_mark_stops_at_the_head(chat: RunningChat) -> None:
    agent = await reader(chat)
    assert await mark(agent, 2**53 - 1) == 5
    assert (await agent.expect("message_read"))["seq"] == 5


async def test_mark_of_an_empty_conversation_stays_at_zero(chat: RunningChat) -> None:
    agent = await reader(chat, count=0)
    assert await mark(agent, 7) == 0
    assert not agent.seen("message_read")


async def test_join_ack_has_the_marks_of_all_members(chat: RunningChat) -> None:
    agent, other = await reader(chat), await chat.agent("agent-2")
    await mark(agent, 2)
    await mark(other, 4)
    ack = await other.call("join_conversation", "conv-1")
    assert ack["readMarks"] == [{"userId": "agent-1", "seq": 2}, {"userId": "agent-2", "seq": 4}]


async def test_marks_survive_a_restart(start_chat: StartChat) -> None:
    first = await start_chat()
    await mark(await reader(first), 4)
    await first.stop()
    second = await start_chat()
    ack = await (await second.agent()).call("join_conversation", "conv-1")
    assert ack["readMarks"] == [{"userId": "agent-1", "seq": 4}]


async def test_other_customers_cannot_mark_as_read(chat: RunningChat) -> None:
    await fill(chat, 2)
    other_customer = await chat.customer()
    refusal = await other_customer.call("mark_read", {"conversationId": "conv-1", "seq": 1})
    assert refusal["error"]["code"] == "forbidden"


async def test_invalid_position_is_a_bad_request(chat: RunningChat) -> None:
    agent = await reader(chat, count=1)
    positions: list[Any] = [-1, 1.5, "1", None, 2**53, True]
    for seq in positions:
        ack = await agent.call("mark_read", {"conversationId": "conv-1", "seq": seq})
        assert ack["error"]["code"] == "bad_request", seq
