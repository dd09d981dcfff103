"""Presence: one status per user over all connections, offline after a grace, sent to the users concerned."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from chatws.server.presence import state
from chatws.store.interface import Unavailable
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.messages import ANN
from tests.support.peer import Peer


async def in_room(chat: RunningChat, user_id: str = "agent-1", *, after: Peer | None = None) -> Peer:
    agent = await chat.agent(user_id, after=after)
    assert (await agent.call("join_conversation", "conv-1"))["success"]
    return agent


def statuses(peer: Peer, user_id: str = "agent-1") -> list[str]:
    return [event["status"] for event in peer.seen("presence_update") if event["userId"] == user_id]


def snapshot(ack: Any) -> dict[str, str]:
    """Return the statuses of an ack by user; each user occurs once."""
    found = {one["userId"]: one["status"] for one in ack["presence"]}
    assert len(found) == len(ack["presence"])
    return found


def changes(peer: Peer) -> list[str]:
    """Return the statuses of the agent without repetitions, which the other members receive when a device joins."""
    return [status for status, _ in itertools.groupby(statuses(peer))]


async def test_members_are_notified_of_joins_and_after_the_grace_of_departures(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=100)
    agent, customer = await chat.pair()
    await agent.close()
    gone = await customer.expect("presence_update", userId="agent-1")
    assert gone["status"] == "offline"
    await in_room(chat)
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "online"


async def test_offline_waits_for_the_last_of_two_tabs(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    agent, customer = await chat.pair()
    tab = await in_room(chat)
    await agent.close()
    await in_room(chat, "agent-2")
    await customer.expect("presence_update", userId="agent-2")
    assert statuses(customer) == []
    await tab.close()
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "offline"


async def test_reconnect_within_the_grace_is_not_shown_as_offline(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=60_000)
    agent, customer = await chat.pair()
    agent.cut()
    await agent.wait_closed()
    await in_room(chat)
    await customer.settle()
    assert set(statuses(customer)) <= {"online"}
    assert snapshot(await customer.call("join_conversation", "conv-1"))["agent-1"] == "online"


async def test_chosen_status_survives_a_reconnect_within_the_grace(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=60_000)
    agent, customer = await chat.pair()
    await agent.call("set_presence", {"status": "busy"})
    agent.cut()
    await agent.wait_closed()
    await in_room(chat, after=agent)
    assert snapshot(await customer.call("join_conversation", "conv-1"))["agent-1"] == "busy"


async def test_other_device_does_not_take_over_the_status_within_the_grace(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=60_000)
    agent, customer = await chat.pair()
    await agent.call("set_presence", {"status": "away"})
    agent.cut()
    await agent.wait_closed()
    other_device = await in_room(chat)
    await in_room(chat, after=agent)
    await customer.settle()
    assert changes(customer) == ["away", "online"]
    customer.events.clear()
    await other_device.close()
    await customer.expect("presence_update", status="away")


async def test_returning_device_keeps_its_status_while_another_is_connected(start_chat: StartChat) -> None:
    chat = await start_chat()
    agent, customer = await chat.pair()
    await in_room(chat)
    await agent.call("set_presence", {"status": "busy"})
    await customer.expect("presence_update", status="busy")
    for _ in range(2):  # the second time, the connection has taken the status over
        agent.cut()
        await customer.expect("presence_update", status="online")
        agent = await in_room(chat, after=agent)
        await customer.expect("presence_update", status="busy")


async def test_client_that_returns_before_its_lost_connection_times_out_has_one_status(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    lost, customer = await chat.pair()
    await lost.call("set_presence", {"status": "busy"})
    returned = await in_room(chat, after=lost)
    await returned.call("set_presence", {"status": "away"})
    await until(lambda: changes(customer) == ["busy", "away"])
    await lost.close()
    await returned.call("set_presence", {"status": "online"})
    await customer.expect("presence_update", status="online")
    assert changes(customer) == ["busy", "away"]


async def test_earlier_connection_of_a_client_counts_again_if_the_later_one_closes(start_chat: StartChat) -> None:
    """A browser that duplicates a tab may copy its ``pid``."""
    chat = await start_chat(presence_grace_ms=1)
    tab, customer = await chat.pair()
    duplicate = await in_room(chat, after=tab)
    await duplicate.call("set_presence", {"status": "away"})
    await customer.expect("presence_update", status="away")
    await duplicate.close()
    assert (await customer.expect("presence_update"))["status"] == "online"


async def test_latest_status_counts_for_a_client_that_missed_the_reply_to_connect(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=60_000)
    agent, customer = await chat.pair()
    await agent.call("set_presence", {"status": "busy"})
    agent.cut()
    await agent.wait_closed()
    returned = await in_room(chat, after=agent)
    await returned.call("set_presence", {"status": "away"})
    returned.cut()
    await returned.wait_closed()
    await in_room(chat, after=agent)
    await customer.settle()
    assert changes(customer) == ["busy", "away"]


async def test_statuses_of_devices_that_do_not_return_are_kept_up_to_a_limit(start_chat: StartChat) -> None:
    chat = await start_chat(limits="off")
    await chat.agent()
    record = chat.parts.presence.users["agent-1"]
    for _ in range(state.MAX_CLOSED_CHOICES + 1):
        tab = await chat.agent()
        await tab.call("set_presence", {"status": "busy"})
        await tab.close()
        await until(lambda: len(record.connections) == 1)
    assert len(record.closed_choices) == state.MAX_CLOSED_CHOICES


async def test_user_is_announced_by_the_join_that_succeeds_although_an_earlier_one_fails(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await chat.customer()
    await customer.call("join_conversation", "conv-1")
    tabs = [await chat.agent() for _ in range(2)]
    read, entered, fails = chat.parts.store.snapshot, asyncio.Event(), asyncio.Event()

    async def fail_first(*args: Any) -> Any:
        if entered.is_set():
            return await read(*args)
        entered.set()
        await fails.wait()
        raise Unavailable("test")

    monkeypatch.setattr(chat.parts.store, "snapshot", fail_first)
    failing = asyncio.create_task(tabs[0].call("join_conversation", "conv-1"))
    await entered.wait()
    assert (await tabs[1].call("join_conversation", "conv-1"))["success"]
    fails.set()
    assert not (await failing)["success"]
    assert (await tabs[0].call("join_conversation", "conv-1"))["success"]
    await customer.settle()
    assert statuses(customer) == ["online"]


async def test_busy_takes_precedence_over_online_and_online_over_away(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    tab = await in_room(chat)
    for peer, choice in [(agent, "away"), (tab, "away"), (agent, "busy"), (tab, "online"), (agent, "away")]:
        assert (await peer.call("set_presence", {"status": choice}))["success"]
    await tab.call("set_presence", {"status": "away"})
    await customer.settle()
    assert statuses(customer) == ["away", "busy", "online", "away"]


async def test_status_of_the_other_tab_applies_after_the_busy_tab_closes(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await in_room(chat)
    await agent.call("set_presence", {"status": "busy"})
    await customer.expect("presence_update", status="busy")
    await agent.close()
    await customer.expect("presence_update", userId="agent-1", status="online")


async def test_status_that_cannot_be_chosen_is_a_bad_request(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    invalid: list[Any] = ["offline", "invisible", "", None, 1]
    for status in invalid:
        assert (await agent.call("set_presence", {"status": status}))["error"]["code"] == "bad_request", status
    await customer.settle()
    assert not statuses(customer)


async def test_repeated_status_is_not_sent(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    for _ in range(3):
        await agent.call("set_presence", {"status": "busy"})
    await customer.settle()
    assert statuses(customer) == ["busy"]


async def test_timestamp_is_the_start_of_the_status(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.call("set_presence", {"status": "busy"})
    update = await customer.expect("presence_update", status="busy")
    chat.clock.advance(100)
    ack = await customer.call("join_conversation", "conv-1")
    assert update in ack["presence"]


async def test_join_ack_has_the_presence_of_all_members(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    customer = await chat.customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    await customer.call("join_conversation", "conv-1")
    await customer.close()
    first = await in_room(chat)
    await first.call("set_presence", {"status": "away"})
    second = await chat.agent("agent-2")
    found = snapshot(await second.call("join_conversation", "conv-1"))
    assert found == {user_id: "offline", "agent-1": "away", "agent-2": "online"}


async def test_inbox_contains_agents_and_customers_and_receives_changes_of_both(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=100)
    customer = await chat.customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    await customer.call("join_conversation", "conv-1")
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    follower = await chat.agent("agent-2")
    found = snapshot(await follower.call("subscribe_inbox", {}))
    assert found == {user_id: "online", "agent-2": "online"}
    await chat.agent("agent-1")
    assert (await follower.expect("presence_update", userId="agent-1"))["status"] == "online"
    await customer.close()
    assert (await follower.expect("presence_update", userId=user_id))["status"] == "offline"


async def test_users_in_other_conversations_receive_nothing(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    agent, customer = await chat.pair()
    other_customer = await chat.customer()
    await other_customer.call("join_conversation", "conv-2")
    unsubscribed = await chat.agent("agent-2")
    await agent.call("set_presence", {"status": "busy"})
    await agent.close()
    await customer.expect("presence_update", status="offline")
    for peer in (other_customer, unsubscribed):
        await peer.settle()
        assert not peer.seen("presence_update")


async def test_presence_in_a_join_ack_excludes_users_of_other_conversations(chat: RunningChat) -> None:
    await chat.pair("conv-1")
    await chat.agent("agent-2")
    other = await chat.customer()
    user_id = (await other.expect("authenticated"))["userId"]
    assert set(snapshot(await other.call("join_conversation", "conv-2"))) == {user_id}


async def test_members_of_a_room_that_was_left_receive_no_more_changes(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    agent, customer = await chat.pair()
    await agent.call("leave_conversation", "conv-1")
    await customer.settle()
    customer.events.clear()
    await agent.call("set_presence", {"status": "busy"})
    await customer.settle()
    assert not statuses(customer)


async def test_unauthenticated_connection_has_no_presence(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    follower = await chat.agent()
    await follower.call("subscribe_inbox", {})
    await (await chat.connect()).close()
    await until(lambda: sum(chat.engine.stats.closed_total.values()) == 1)
    await follower.settle()
    assert not follower.seen("presence_update")


async def test_rooms_of_closed_connections_are_kept_up_to_a_limit(
    chat: RunningChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_LAST_ROOMS", 20)
    await chat.agent()
    record = chat.parts.presence.users["agent-1"]
    for start in range(0, 30, 10):
        tab = await chat.agent()
        for number in range(start, start + 10):
            await chat.parts.store.create_conversation(f"conv-{number}", ANN, "queued")
            assert (await tab.call("join_conversation", f"conv-{number}"))["success"]
        await tab.close()
        await until(lambda: len(record.connections) == 1)
    assert record.last_rooms.keys() == {f"conv-{number}" for number in range(10, 30)}
