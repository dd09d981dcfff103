"""Two servers over PostgreSQL and Redis while Redis is stopped or stalled, and after it has recovered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.server.rest.support import bearer
from tests.support.chat import until
from tests.support.messages import seqs

if TYPE_CHECKING:
    from tests.server.conftest import StartRealCluster
    from tests.support.peer import Peer
    from tests.support.redis import RedisServer


def text(content: str) -> dict[str, str]:
    return {"conversationId": "conv-1", "content": content}


def change(version: int) -> dict[str, str | int]:
    return {"conversationId": "conv-1", "version": version}


async def fence(agent: Peer, customer: Peer) -> None:
    """Wait until earlier events have reached both: notifications of one server on one channel keep their order."""
    for peer in (agent, customer):
        seq = (await peer.call("send_message", text("fence")))["seq"]
        for other in (agent, customer):
            await other.expect("message_received", seq=seq)


async def test_log_out_closes_connections_on_every_server_with_redis_and_without(
    start_real_cluster: StartRealCluster, redis: RedisServer
) -> None:
    first, second = (await start_real_cluster()).servers
    peers = {user_id: await second.agent(user_id) for user_id in ("agent-1", "agent-2")}
    first.clock.advance(1)
    for user_id, peer in peers.items():
        assert (await first.post("/api/auth/logout", headers=bearer(first.token(user_id))))[0] == 200
        await peer.wait_closed()
        assert peer.disconnected
        await asyncio.to_thread(redis.kill)


async def test_nothing_is_lost_during_a_redis_outage_and_state_is_correct_after_it(
    start_real_cluster: StartRealCluster, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatws.server.cluster.presence_resync.LEASE_WAIT_S", 1.0)
    cluster = await start_real_cluster(sweep_ms=200, presence_grace_ms=100, limits="off")
    agent, customer = await cluster.pair()
    other = await cluster.join_third(customer)
    await asyncio.to_thread(redis.kill)
    assert (await agent.call("set_presence", {"status": "busy"}))["success"]
    await other.close()
    sends = [peer.call("send_message", text(f"text {number}")) for number in range(10) for peer in (agent, customer)]
    assert sorted(seqs(await asyncio.gather(*sends))) == list(range(1, 21))
    await agent.call("claim_conversation", change(1))
    for peer in (agent, customer):
        assert [(await peer.expect("message_received"))["seq"] for _ in range(20)] == list(range(1, 21))
        await peer.expect("conversation_updated")
    assert not customer.seen("presence_update")
    joined = await customer.call("join_conversation", "conv-1")
    assert joined["conversation"]["status"] == "assigned"
    await asyncio.to_thread(redis.start)
    await customer.expect("presence_update", userId="agent-1", status="busy")
    await customer.expect("presence_update", userId="agent-2", status="offline")
    await fence(agent, customer)
    assert seqs(agent.seen("message_received")) == seqs(customer.seen("message_received")) == []


async def test_stalled_redis_delays_no_request(start_real_cluster: StartRealCluster, redis: RedisServer) -> None:
    cluster = await start_real_cluster(sweep_ms=200, limits="off")
    agent, customer = await cluster.pair()
    buses = [server.parts.cluster.stats for server in cluster.servers]
    await asyncio.to_thread(redis.freeze)
    for number in range(20):
        assert (await customer.call("send_message", text(f"text {number}")))["seq"] == number + 1
    newcomer = await cluster.servers[0].agent("agent-2")
    ack = await newcomer.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert seqs(ack["messages"]) == list(range(1, 21))
    assert [(await agent.expect("message_received"))["seq"] for _ in range(20)] == list(range(1, 21))
    await until(lambda: not any(bus.connected for bus in buses))
    await asyncio.to_thread(redis.unfreeze)
    await until(lambda: all(bus.connected for bus in buses))
    await fence(agent, customer)
    assert not agent.seen("message_received")
    assert seqs(customer.seen("message_received")) == list(range(1, 21))


async def test_ready_names_redis_and_stays_ready_without_it(
    start_real_cluster: StartRealCluster, redis: RedisServer
) -> None:
    first = (await start_real_cluster()).servers[0]
    assert await first.get("/ready") == (
        200,
        {"status": "ready", "checks": {"database": "ok", "server": "ok", "redis": "ok"}},
    )
    await asyncio.to_thread(redis.kill)
    status, body = await first.get("/ready")
    assert (status, body["status"], body["checks"]["redis"]) == (200, "ready", "away")
