"""Inboxes of several servers: changes on another server, at a limited rate and also if the bus loses them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.server.conftest import StartCluster
from tests.support.cluster import HubCluster, settle_all
from tests.support.peer import Peer


def text(content: str, conversation_id: str = "conv-1") -> dict[str, str]:
    return {"conversationId": conversation_id, "content": content}


async def follow_inbox(cluster: HubCluster) -> Peer:
    """Subscribe an agent of the first server to the inbox."""
    follower = await cluster.servers[0].agent("agent-2")
    await follower.call("subscribe_inbox", {})
    return follower


async def join_remotely(cluster: HubCluster) -> Peer:
    """Let a customer of the second server join a conversation."""
    customer = await cluster.servers[1].customer()
    await customer.call("join_conversation", "conv-1")
    return customer


def freeze_buses(cluster: HubCluster) -> None:
    for bus in cluster.buses:
        bus.freeze()


async def next_update(follower: Peer) -> Any:
    """Wait for an update of the inbox, and return its conversation."""
    return (await follower.expect("conversation_updated"))["conversation"]


async def test_reconciliation_updates_inboxes_once_after_a_loss(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=50, inbox_update_ms=20)
    follower, customer = await follow_inbox(cluster), await join_remotely(cluster)
    await customer.call("send_message", text("hello"))
    await next_update(follower)
    freeze_buses(cluster)
    await customer.call("send_message", text("unheard"))
    assert (await next_update(follower))["headSeq"] == 2
    await customer.call("join_conversation", "conv-2")
    await customer.call("send_message", text("unheard", "conv-2"))
    assert (await next_update(follower))["conversationId"] == "conv-2"
    await settle_all(customer, follower)
    assert not follower.seen("conversation_updated")


async def test_new_subscriber_does_not_hide_a_lost_change_from_the_others(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000, inbox_update_ms=20)
    follower, customer = await follow_inbox(cluster), await join_remotely(cluster)
    await customer.call("send_message", text("hello"))
    await next_update(follower)
    freeze_buses(cluster)
    await customer.call("send_message", text("unheard"))
    newcomer = await cluster.servers[0].agent("agent-3")
    [conversation] = (await newcomer.call("subscribe_inbox", {}))["conversations"]
    assert conversation["headSeq"] == 2
    assert (await next_update(follower))["headSeq"] == 2


async def test_new_subscriber_does_not_hide_a_new_conversation_from_the_others(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000, inbox_update_ms=20)
    follower = await follow_inbox(cluster)
    freeze_buses(cluster)
    customer = await join_remotely(cluster)
    await customer.call("send_message", text("unheard"))
    newcomer = await cluster.servers[0].agent("agent-3")
    assert len((await newcomer.call("subscribe_inbox", {}))["conversations"]) == 1
    assert (await next_update(follower))["conversationId"] == "conv-1"


async def test_lost_first_conversation_of_an_empty_inbox_is_sent(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=1_000, inbox_update_ms=20)
    follower = await follow_inbox(cluster)
    freeze_buses(cluster)
    customer = await join_remotely(cluster)
    await customer.call("send_message", text("unheard"))
    assert (await next_update(follower))["conversationId"] == "conv-1"


async def test_inbox_receives_other_servers_conversations_at_a_limited_rate(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(inbox_update_ms=300)
    _, customer = await cluster.pair()
    follower = await cluster.servers[0].agent("agent-2")
    await follower.call("subscribe_inbox", {})
    loop = asyncio.get_running_loop()
    began, heads = loop.time(), [0]
    for number in range(10):
        await customer.call("send_message", text(f"text {number}"))
    while heads[-1] < 10:
        heads.append((await follower.expect("conversation_updated"))["conversation"]["headSeq"])
    assert len(heads) - 1 <= (loop.time() - began) / 0.3 + 1
    assert heads == sorted(heads)


async def test_filtered_inbox_receives_a_removal_by_another_server(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    await customer.call("send_message", text("hello"))
    follower = await cluster.servers[1].agent("agent-2")
    assert len((await follower.call("subscribe_inbox", {"status": "queued"}))["conversations"]) == 1
    await agent.call("claim_conversation", {"conversationId": "conv-1", "version": 1})
    update = await follower.expect("conversation_updated")
    assert update["conversation"]["status"] == "assigned"
    await settle_all(agent, follower)
    assert not follower.seen("conversation_updated")
