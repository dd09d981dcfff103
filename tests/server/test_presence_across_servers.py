"""Presence over several servers: merged, sent once, offline only without a connection on any server."""

from __future__ import annotations

from typing import Any

import pytest

from chatws.bus import HostingBegan, PresenceEntry
from tests.server.conftest import StartCluster
from tests.support.chat import RunningChat, until
from tests.support.cluster import settle_all
from tests.support.messages import ANN
from tests.support.peer import Peer


def statuses(peer: Peer, user_id: str = "agent-1") -> list[str]:
    return [event["status"] for event in peer.seen("presence_update") if event["userId"] == user_id]


def snapshot(ack: Any) -> dict[str, str]:
    """Return the statuses of an ack by user; each user occurs once."""
    found = {one["userId"]: one["status"] for one in ack["presence"]}
    assert len(found) == len(ack["presence"])
    return found


async def end_grace(chat: RunningChat, user_id: str) -> None:
    """End the presence grace of a user at once: a grace short enough to wait for may be too short to reconnect in."""
    await until(lambda: chat.parts.presence.is_in_grace(user_id))
    chat.clock.advance(chat.settings.presence_grace_ms / 1000)


async def test_each_change_is_received_once_over_all_channels(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=50)
    agent, customer = await cluster.pair()
    follower = await cluster.servers[1].agent("agent-2")
    await follower.call("subscribe_inbox", {})
    await follower.call("join_conversation", "conv-1")
    await settle_all(agent, customer, follower)
    for peer in (customer, follower):
        peer.events.clear()
    for status in ("busy", "away", "online"):
        await agent.call("set_presence", {"status": status})
    await settle_all(agent, customer, follower)
    for peer in (customer, follower):
        assert statuses(peer) == ["busy", "away", "online"]
    await agent.close()
    for peer in (customer, follower):
        await peer.expect("presence_update", userId="agent-1", status="offline")


async def test_user_on_two_servers_is_offline_after_the_last_of_them(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=50)
    agent, customer = await cluster.pair()
    tab = await cluster.servers[1].agent()
    await tab.call("join_conversation", "conv-1")
    await agent.call("set_presence", {"status": "busy"})
    await settle_all(agent, tab, customer)
    customer.events.clear()
    await agent.close()
    assert (await customer.expect("presence_update"))["status"] == "online"
    await tab.close()
    assert (await customer.expect("presence_update"))["status"] == "offline"
    assert not customer.seen("presence_update")


async def test_busy_on_a_server_that_does_not_host_the_conversation_counts(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    tab = await cluster.servers[1].agent()
    await tab.call("set_presence", {"status": "busy"})
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "busy"
    await agent.call("set_presence", {"status": "away"})
    await settle_all(agent, tab, customer)
    assert statuses(customer) == []


async def test_move_to_another_server_within_the_grace_is_not_shown_as_offline(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    agent, customer = await cluster.pair()
    await agent.close()
    tab = await cluster.servers[1].agent()
    await tab.call("join_conversation", "conv-1")
    await end_grace(cluster.servers[0], "agent-1")
    await settle_all(tab, customer)
    assert set(statuses(customer)) <= {"online"}
    assert snapshot(await customer.call("join_conversation", "conv-1"))["agent-1"] == "online"


async def test_client_that_moves_within_the_grace_of_another_user_is_informed_of_its_end(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    agent, _ = await cluster.pair()
    await agent.close()
    await until(lambda: cluster.servers[0].parts.presence.is_in_grace("agent-1"))
    # Its previous server has shown the agent online, whose ended connection this server does not know.
    moved = await (await cluster.start()).agent("agent-2")
    assert (await moved.call("join_conversation", "conv-1"))["success"]
    await settle_all(moved)
    await end_grace(cluster.servers[0], "agent-1")
    await moved.expect("presence_update", userId="agent-1", status="offline")


async def test_end_of_a_connection_elsewhere_reaches_the_room_that_the_user_had_left(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    _, customer = await cluster.pair()
    first, second = cluster.servers
    member, other_device = await second.agent("agent-2"), await first.agent("agent-2")
    assert (await member.call("join_conversation", "conv-1"))["success"]
    await customer.expect("presence_update", userId="agent-2", status="online")
    await member.close()
    await end_grace(second, "agent-2")
    await settle_all(customer, other_device)
    assert statuses(customer, "agent-2") == []
    await other_device.close()
    await end_grace(first, "agent-2")
    await customer.expect("presence_update", userId="agent-2", status="offline")
    await until(lambda: "agent-2" not in second.parts.presence.users)


async def test_member_elsewhere_who_is_found_by_a_query_is_announced_to_the_room(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    agent, customer = await cluster.pair()
    await settle_all(agent, customer)
    first, second = cluster.servers
    # As after a lost notification: the second server does not know the member of its room on the first one.
    for bus in cluster.buses:
        bus.lost = (PresenceEntry, HostingBegan)
    member = await first.agent("agent-2")
    assert (await member.call("join_conversation", "conv-1"))["success"]
    await settle_all(member, customer)
    assert statuses(customer, "agent-2") == []
    await second.agent("agent-2")
    await customer.expect("presence_update", userId="agent-2", status="online")


async def test_newcomer_to_the_room_learns_of_a_user_who_moves_within_the_grace(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    agent, _ = await cluster.pair()
    first, second = cluster.servers
    await agent.close()
    await until(lambda: first.parts.presence.is_in_grace("agent-1"))
    newcomer = await first.agent("agent-2")
    assert "agent-1" not in snapshot(await newcomer.call("join_conversation", "conv-1"))
    moved = await second.agent("agent-1")
    assert (await moved.call("join_conversation", "conv-1"))["success"]
    await newcomer.expect("presence_update", userId="agent-1", status="online")


async def test_end_of_a_connection_here_reaches_the_room_that_the_user_had_joined_on_another_server(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    _, customer = await cluster.pair()
    first, second = cluster.servers
    member, here = await first.agent("agent-2"), await second.agent("agent-2")
    assert (await member.call("join_conversation", "conv-1"))["success"]
    await customer.expect("presence_update", userId="agent-2", status="online")
    await member.close()
    await end_grace(first, "agent-2")
    await settle_all(customer, here)
    assert statuses(customer, "agent-2") == []
    await here.close()
    await end_grace(second, "agent-2")
    await customer.expect("presence_update", userId="agent-2", status="offline")


async def test_chosen_status_is_kept_on_another_server(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    first, second = cluster.servers
    agent, customer = await cluster.pair()
    await agent.call("set_presence", {"status": "busy"})
    await customer.expect("presence_update", status="busy")
    await agent.close()
    await until(lambda: first.parts.presence.is_in_grace("agent-1"))
    moved = await second.agent(after=agent)
    await moved.call("join_conversation", "conv-1")
    await end_grace(first, "agent-1")
    await settle_all(moved, customer)
    assert snapshot(await customer.call("join_conversation", "conv-1"))["agent-1"] == "busy"
    assert set(statuses(customer)) <= {"busy"}


async def test_chosen_status_is_taken_over_by_the_device_on_which_it_was_chosen(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    first, second = cluster.servers
    agent, customer = await cluster.pair()
    await agent.call("set_presence", {"status": "away"})
    await customer.expect("presence_update", status="away")
    await agent.close()
    await until(lambda: first.parts.presence.is_in_grace("agent-1"))
    other_device = await second.agent()  # the first to connect, on another server
    await customer.expect("presence_update", userId="agent-1", status="online")
    returned = await first.agent(after=agent)
    await settle_all(other_device, returned, customer)
    assert not statuses(customer)
    await other_device.close()
    await end_grace(second, "agent-1")
    await customer.expect("presence_update", userId="agent-1", status="away")


async def test_chosen_status_survives_the_end_of_the_server(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    second = cluster.servers[1]
    agent, customer = await cluster.pair()
    await agent.call("set_presence", {"status": "away"})
    await customer.expect("presence_update", status="away")
    cluster.buses[0].disconnect()
    moved = await second.agent(after=agent)
    await moved.call("join_conversation", "conv-1")
    second.clock.advance(60)
    await settle_all(moved, customer)
    assert set(statuses(customer)) <= {"away"}


async def test_latest_status_counts_although_an_earlier_one_is_kept_on_another_server(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    first, second = cluster.servers
    agent, customer = await cluster.pair()
    await agent.call("set_presence", {"status": "busy"})
    await customer.expect("presence_update", status="busy")
    await first.agent()  # keeps the choice on the closed connection beyond the grace
    await agent.close()
    await customer.expect("presence_update", status="online")
    moved = await second.agent(after=agent)
    await customer.expect("presence_update", status="busy")
    await moved.call("set_presence", {"status": "away"})
    await customer.expect("presence_update", status="online")
    await moved.close()
    # The client did not receive the reply to its last CONNECT: it presents the `pid` that both servers know.
    returned = await first.agent(after=agent)
    await settle_all(returned, customer)
    assert not statuses(customer)


async def test_snapshots_contain_users_of_the_other_server(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    customer = await cluster.servers[1].customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    await customer.call("join_conversation", "conv-1")
    away = await cluster.servers[1].agent("agent-2")
    await away.call("set_presence", {"status": "away"})
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    agent = await cluster.servers[0].agent()
    assert snapshot(await agent.call("join_conversation", "conv-1")) == {user_id: "online", "agent-1": "online"}
    follower = await cluster.servers[0].agent("agent-3")
    found = snapshot(await follower.call("subscribe_inbox", {}))
    assert found == {user_id: "online", "agent-1": "online", "agent-2": "away", "agent-3": "online"}
    assert set(statuses(agent, user_id)) <= {"online"}


async def test_observers_on_another_server_are_known_to_a_newcomer(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    await cluster.pair()
    observer = await cluster.servers[1].agent("agent-2")
    await observer.call("join_conversation", "conv-1")
    newcomer = await cluster.servers[0].agent("agent-3")
    await settle_all(observer)
    found = snapshot(await newcomer.call("join_conversation", "conv-1"))
    assert found["agent-2"] == "online"


async def test_server_that_begins_to_host_receives_the_members(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    observer = await cluster.servers[1].agent("agent-2")
    await cluster.servers[1].parts.store.create_conversation("conv-1", ANN, "queued")
    await observer.call("join_conversation", "conv-1")
    agent = await cluster.servers[0].agent()
    await agent.call("join_conversation", "conv-1")
    await agent.expect("presence_update", userId="agent-2", status="online")


async def test_users_of_an_ended_server_are_offline_unless_they_reconnect(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=60_000)
    _, customer = await cluster.pair()
    await cluster.join_third(customer)
    cluster.buses[0].disconnect()
    back = await cluster.servers[1].agent("agent-2")
    await back.call("join_conversation", "conv-1")
    await settle_all(back, customer)
    cluster.servers[1].clock.advance(60)
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "offline"
    await settle_all(back, customer)
    assert "offline" not in statuses(customer, "agent-2")


async def test_known_presence_is_kept_during_a_bus_outage_and_corrected_after_it(
    start_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatws.server.cluster.presence_resync.LEASE_WAIT_S", 0.1)
    cluster = await start_cluster(presence_grace_ms=20)
    agent, customer = await cluster.pair()
    other = await cluster.join_third(customer)
    cluster.buses[1].freeze()
    await agent.call("set_presence", {"status": "busy"})
    await other.close()
    await until(lambda: not cluster.servers[0].parts.presence.is_online("agent-2"))
    known = snapshot(await customer.call("join_conversation", "conv-1"))
    assert (known["agent-1"], known["agent-2"]) == ("online", "online")
    cluster.buses[1].reconnect()
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "busy"
    assert (await customer.expect("presence_update", userId="agent-2"))["status"] == "offline"


async def test_departure_lost_by_the_bus_is_noticed_in_the_next_period(
    start_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatws.server.periodic.PRESENCE_PERIOD_S", 0.05)
    cluster = await start_cluster(presence_grace_ms=20)
    agent, customer = await cluster.pair()
    await cluster.join_third(customer, "agent-3")
    cluster.buses[0].lost = (PresenceEntry,)
    await agent.close()
    assert (await customer.expect("presence_update"))["status"] == "offline"
    assert not statuses(customer, "agent-3")


async def test_agent_connected_to_another_server_keeps_the_conversation(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=20, assignee_offline_ms=100)
    agent, customer = await cluster.pair()
    claim = {"conversationId": "conv-1", "version": 1}
    assert (await agent.call("claim_conversation", claim))["success"]
    await customer.expect("conversation_updated")
    tab = await cluster.servers[1].agent()
    first = cluster.servers[0]
    await agent.close()
    await until(lambda: not first.parts.registry.is_connected("agent-1"))
    assert await first.parts.presence.is_online_anywhere("agent-1")
    await tab.close()
    update = await customer.expect("conversation_updated")
    assert (update["conversation"]["status"], update["conversation"]["version"]) == ("queued", 3)
    await settle_all(customer)
    assert not customer.seen("conversation_updated")


async def test_conversations_of_an_ended_server_are_requeued(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=20, assignee_offline_ms=100)
    agent, customer = await cluster.pair()
    await agent.call("claim_conversation", {"conversationId": "conv-1", "version": 1})
    await agent.call("leave_conversation", "conv-1")  # so that the agent is invisible on the other server
    await customer.expect("conversation_updated")
    cluster.buses[0].disconnect()
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "queued"


async def test_users_invisible_here_are_forgotten(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=20)
    agent, customer = await cluster.pair()
    second = cluster.servers[1].parts.presence
    assert second.remote_users() == ["agent-1"]
    await customer.call("leave_conversation", "conv-1")
    assert second.remote_users() == []
    await customer.call("join_conversation", "conv-1")
    assert second.remote_users() == ["agent-1"]
    await agent.call("leave_conversation", "conv-1")
    await until(lambda: second.remote_users() == [])
    follower = await cluster.servers[1].agent("agent-2")
    await follower.call("subscribe_inbox", {})
    assert second.remote_users() == ["agent-1"]
    await follower.close()
    await until(lambda: second.remote_users() == [])
    assert not second.is_online("agent-1")
