"""An agent on one server, a customer on another, over PostgreSQL and Redis: one chat, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.server.rest.support import bearer
from tests.support.chat import until
from tests.support.messages import seqs

if TYPE_CHECKING:
    from tests.cluster.conftest import StartCluster
    from tests.support.peer import Peer
    from tests.support.redis import RedisServer


def text(content: str) -> dict[str, str]:
    return {"conversationId": "conv-1", "content": content}


def change(version: int) -> dict[str, str | int]:
    return {"conversationId": "conv-1", "version": version}


async def fence(agent: Peer, customer: Peer) -> None:
    """Return when what either has caused has arrived at both: notes of one server on one channel keep their order."""
    for peer in (agent, customer):
        seq = (await peer.ask("send_message", text("fence")))["seq"]
        for other in (agent, customer):
            await other.expect("message_received", seq=seq)


def expect_nothing_more(*peers: Peer) -> None:
    assert [peer.events for peer in peers] == [[] for _ in peers]


async def test_messages_of_both_sides_reach_both_once_and_in_order(start_cluster: StartCluster) -> None:
    agent, customer = await (await start_cluster(limits="off", sweep_ms=60_000)).pair()
    sends = [peer.ask("send_message", text(f"text {number}")) for number in range(50) for peer in (agent, customer)]
    acks = await asyncio.gather(*sends)
    assert sorted(seqs(acks)) == list(range(1, 101))
    await fence(agent, customer)
    for peer in (agent, customer):
        assert seqs(peer.seen("message_received")) == list(range(1, 101))


async def test_everything_else_crosses_once(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    await agent.ask("typing_start", "conv-1")
    await customer.expect("typing_indicator", userId="agent-1", isTyping=True)
    await agent.ask("typing_stop", "conv-1")
    await customer.expect("typing_indicator", userId="agent-1", isTyping=False)
    await agent.ask("set_presence", {"status": "busy"})
    for peer in (agent, customer):
        await peer.expect("presence_update", userId="agent-1", status="busy")
    seq = (await customer.ask("send_message", text("read me")))["seq"]
    for peer in (agent, customer):
        await peer.expect("message_received", seq=seq)
    await agent.ask("mark_read", {"conversationId": "conv-1", "seq": seq})
    for peer in (agent, customer):
        await peer.expect("message_read", userId="agent-1", seq=seq)
    path, body = "/api/users/agent-1/notifications", {"event": "notification", "payload": {"title": "new"}}
    second = cluster.servers[1]
    assert (await second.post(path, body, headers=bearer(second.token("agent-2"))))[0] == 200
    assert await agent.expect("notification") == {"title": "new"}
    await fence(agent, customer)
    expect_nothing_more(agent, customer)


async def test_race_for_a_conversation_has_one_winner_whom_everybody_sees(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    rivals = [await server.agent(f"rival-{number}") for number, server in enumerate(cluster.servers * 2)]
    follower = await cluster.servers[1].agent("agent-3")
    await follower.ask("subscribe_inbox", {"status": "queued"})
    acks = await asyncio.gather(*(peer.ask("claim_conversation", change(1)) for peer in rivals))
    winners = [ack["conversation"]["assignee"]["userId"] for ack in acks if ack["success"]]
    assert len(winners) == 1
    assert {ack["conversation"]["assignee"]["userId"] for ack in acks} == set(winners)
    for peer in (agent, customer, follower):
        told = await peer.expect("conversation_updated")
        assert told["conversation"]["assignee"]["userId"] == winners[0]
    await fence(agent, customer)
    expect_nothing_more(agent, customer)


async def test_user_on_both_servers_is_offline_when_both_connections_are_gone(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(presence_grace_ms=100)
    agent, customer = await cluster.pair()
    tab = await cluster.servers[1].agent()
    await tab.ask("join_conversation", "conv-1")
    await agent.ask("set_presence", {"status": "busy"})
    await customer.expect("presence_update", status="busy")
    await agent.close()
    await customer.expect("presence_update", userId="agent-1", status="online")
    await tab.close()
    await customer.expect("presence_update", userId="agent-1", status="offline")
    expect_nothing_more(customer)


async def test_log_out_closes_connections_on_every_server_with_redis_and_without(
    start_cluster: StartCluster, redis: RedisServer
) -> None:
    first, second = (await start_cluster(redis_url=redis.url)).servers
    peers = {user_id: await second.agent(user_id) for user_id in ("agent-1", "agent-2")}
    first.clock.advance(1)
    for user_id, peer in peers.items():
        assert (await first.post("/api/auth/logout", headers=bearer(first.token(user_id))))[0] == 200
        await peer.wait_closed()
        assert peer.disconnected
        await asyncio.to_thread(redis.kill)


async def test_nothing_is_lost_while_redis_is_away_and_all_is_right_when_it_is_back(
    start_cluster: StartCluster, redis: RedisServer
) -> None:
    cluster = await start_cluster(redis_url=redis.url, sweep_ms=200, presence_grace_ms=100, limits="off")
    agent, customer = await cluster.pair()
    other = await cluster.servers[0].agent("agent-2")
    await other.ask("join_conversation", "conv-1")
    await customer.expect("presence_update", userId="agent-2", status="online")
    await asyncio.to_thread(redis.kill)
    assert (await agent.ask("set_presence", {"status": "busy"}))["success"]
    await other.close()
    sends = [peer.ask("send_message", text(f"text {number}")) for number in range(10) for peer in (agent, customer)]
    assert sorted(seqs(await asyncio.gather(*sends))) == list(range(1, 21))
    await agent.ask("claim_conversation", change(1))
    for peer in (agent, customer):
        assert [(await peer.expect("message_received"))["seq"] for _ in range(20)] == list(range(1, 21))
        await peer.expect("conversation_updated")
    assert not customer.seen("presence_update")
    joined = await customer.ask("join_conversation", "conv-1")
    assert joined["conversation"]["status"] == "assigned"
    await asyncio.to_thread(redis.start)
    await customer.expect("presence_update", userId="agent-1", status="busy")
    await customer.expect("presence_update", userId="agent-2", status="offline")
    await fence(agent, customer)
    assert seqs(agent.seen("message_received")) == seqs(customer.seen("message_received")) == []


async def test_redis_that_hangs_delays_nobody(start_cluster: StartCluster, redis: RedisServer) -> None:
    cluster = await start_cluster(redis_url=redis.url, sweep_ms=200, limits="off")
    agent, customer = await cluster.pair()
    buses = [server.parts.neighbours.stats for server in cluster.servers]
    await asyncio.to_thread(redis.stop)
    for number in range(20):
        assert (await customer.ask("send_message", text(f"text {number}")))["seq"] == number + 1
    newcomer = await cluster.servers[0].agent("agent-2")
    ack = await newcomer.ask("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert seqs(ack["messages"]) == list(range(1, 21))
    assert [(await agent.expect("message_received"))["seq"] for _ in range(20)] == list(range(1, 21))
    await until(lambda: not any(bus.connected for bus in buses))
    await asyncio.to_thread(redis.cont)
    await until(lambda: all(bus.connected for bus in buses))
    await fence(agent, customer)
    assert not agent.seen("message_received")
    assert seqs(customer.seen("message_received")) == list(range(1, 21))


async def test_ready_names_redis_and_stays_ready_without_it(start_cluster: StartCluster, redis: RedisServer) -> None:
    first = (await start_cluster(redis_url=redis.url)).servers[0]
    assert await first.get("/ready") == (
        200,
        {"status": "ready", "checks": {"database": "ok", "server": "ok", "redis": "ok"}},
    )
    await asyncio.to_thread(redis.kill)
    status, body = await first.get("/ready")
    assert (status, body["status"], body["checks"]["redis"]) == (200, "ready", "away")
