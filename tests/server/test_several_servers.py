"""Several servers as one chat: agent and customer on different servers receive each event once."""

from __future__ import annotations

import asyncio

from chatws.bus import MessageStored, ReadMoved
from chatws.server.cluster.publisher import BUS_TIMEOUT_S
from tests.server.conftest import StartCluster
from tests.server.rest.support import bearer
from tests.support.chat import RunningChat
from tests.support.cluster import settle_all
from tests.support.messages import seqs
from tests.support.peer import Peer


def text(content: str, conversation_id: str = "conv-1") -> dict[str, str]:
    return {"conversationId": conversation_id, "content": content}


def change(version: int) -> dict[str, str | int]:
    return {"conversationId": "conv-1", "version": version}


async def metrics_of(server: RunningChat) -> dict[str, float]:
    """Return the metrics by name and labels in Prometheus's notation."""
    async with server.http.get(f"{server.url}/metrics") as response:
        lines = [line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in lines}


async def received(peer: Peer, count: int) -> list[int]:
    """Wait for this many messages and return their ``seq`` in the order of arrival."""
    return [(await peer.expect("message_received"))["seq"] for _ in range(count)]


async def test_messages_of_both_sides_reach_both_once_and_in_order(start_cluster: StartCluster) -> None:
    agent, customer = await (await start_cluster(limits="off", sweep_ms=60_000)).pair()
    sends = [peer.call("send_message", text(f"text {number}")) for number in range(30) for peer in (agent, customer)]
    acks = await asyncio.gather(*sends)
    assert all(ack["success"] for ack in acks)
    assert sorted(seqs(acks)) == list(range(1, 61))
    for peer in (agent, customer):
        assert await received(peer, 60) == list(range(1, 61))
    await settle_all(agent, customer)
    assert not agent.seen("message_received") + customer.seen("message_received")


async def test_gap_left_by_the_bus_is_filled_at_the_next_message(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    agent, customer = await cluster.pair()
    cluster.buses[1].lost = (MessageStored,)
    for number in range(3):
        await customer.call("send_message", text(f"lost {number}"))
    cluster.buses[1].lost = ()
    await customer.call("send_message", text("not lost"))
    assert await received(agent, 4) == [1, 2, 3, 4]
    await settle_all(agent)
    assert not agent.seen("message_received")


async def test_reconciliation_delivers_lost_messages_once(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=50)
    agent, customer = await cluster.pair()
    cluster.buses[1].lost = (MessageStored,)
    for number in range(3):
        await customer.call("send_message", text(f"lost {number}"))
    assert await received(agent, 3) == [1, 2, 3]
    await settle_all(agent)
    assert not agent.seen("message_received")


async def test_reconnected_bus_delivers_messages_and_changes_at_once(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    agent, customer = await cluster.pair()
    for bus in cluster.buses:
        bus.freeze()
    await customer.call("send_message", text("while nothing crosses"))
    await agent.call("claim_conversation", change(1))
    await settle_all(agent, customer)
    assert not agent.seen("message_received") + customer.seen("conversation_updated")
    for bus in cluster.buses:
        bus.reconnect()
    assert await received(agent, 1) == [1]
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "assigned"
    await settle_all(agent, customer)
    assert not customer.seen("conversation_updated")


async def test_metrics_contain_the_bus_and_gaps(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=50)
    agent, customer = await cluster.pair()
    cluster.buses[1].lost = (MessageStored,)
    await customer.call("send_message", text("lost"))
    await received(agent, 1)
    values = await metrics_of(cluster.servers[0])
    assert values["chatws_bus_connected"] == 1
    assert values['chatws_bus_notes_total{fate="published"}'] > 0
    assert values['chatws_bus_notes_total{fate="received"}'] > 0
    assert values["chatws_delivery_gaps_total"] == 1
    assert values["chatws_delivery_gaps_repaired_total"] == 1


async def test_metrics_contain_waits_of_new_connections_for_a_stalled_bus(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    cluster.buses[0].confirms_late = True
    waited = (await metrics_of(cluster.servers[0]))["chatws_bus_wait_seconds_sum"]
    await cluster.servers[0].agent()
    values = await metrics_of(cluster.servers[0])
    assert values["chatws_bus_wait_seconds_sum"] - waited > BUS_TIMEOUT_S / 2
    assert values["chatws_bus_wait_seconds_count"] > 0


async def test_reconciliation_sends_a_change_lost_by_the_bus(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=50)
    agent, customer = await cluster.pair()
    await customer.call("send_message", text("hello"))
    follower = await cluster.servers[1].agent("agent-2")
    await follower.call("subscribe_inbox", {"status": "queued"})
    cluster.buses[0].disconnect()
    await agent.call("claim_conversation", change(1))
    for peer in (customer, follower):
        # An inbox may show the start of the conversation first, because it collects changes.
        while (await peer.expect("conversation_updated"))["conversation"]["status"] != "assigned":
            assert peer is follower


async def test_late_subscription_triggers_a_comparison_of_the_conversation(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    first, second = cluster.servers
    customer = await second.customer()
    await customer.call("join_conversation", "conv-1")
    cluster.buses[0].confirms_late = True
    agent = await first.agent()
    await agent.call("join_conversation", "conv-1")
    await customer.call("send_message", text("not received yet"))
    await settle_all(customer, agent)
    assert not agent.seen("message_received")
    cluster.buses[0].confirm()
    assert await received(agent, 1) == [1]


async def test_join_receives_messages_stored_while_it_reads(start_cluster: StartCluster) -> None:
    agent, customer = await (await start_cluster(sweep_ms=60_000)).pair()
    await agent.call("leave_conversation", "conv-1")
    sends = [await customer.start("send_message", text(f"text {number}")) for number in range(10)]
    ack = await agent.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    await asyncio.gather(*sends)
    await agent.call("send_message", text("last"))
    await agent.expect("message_received", seq=11)
    late = [seq for seq in seqs(agent.seen("message_received")) if seq > len(ack["messages"])]
    assert seqs(ack["messages"]) + late == list(range(1, 11))


async def test_repeat_through_another_server_gets_the_first_ack_and_is_shown_once(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    agent, customer = await cluster.pair()
    tab = await cluster.servers[1].agent()
    await tab.call("join_conversation", "conv-1")
    message = {**text("once"), "clientMessageId": "id-1"}
    first = await agent.call("send_message", message)
    again = await tab.call("send_message", message)
    assert (again["seq"], again["messageId"], again["duplicate"]) == (first["seq"], first["messageId"], True)
    for peer in (agent, tab, customer):
        assert await received(peer, 1) == [1]
    await settle_all(agent, tab, customer)
    assert not any(peer.seen("message_received") for peer in (agent, tab, customer))


async def test_typing_reaches_the_other_server_ends_with_the_message_and_expires(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(typing_expire_ms=60_000)
    agent, customer = await cluster.pair()
    await agent.call("typing_start", "conv-1")
    assert (await customer.expect("typing_indicator"))["isTyping"] is True
    await agent.call("send_message", text("sent"))
    assert (await customer.expect("typing_indicator"))["isTyping"] is False
    await agent.call("typing_start", "conv-1")
    assert (await customer.expect("typing_indicator"))["isTyping"] is True
    assert (await customer.call("join_conversation", "conv-1"))["typing"] == ["agent-1"]
    cluster.buses[0].freeze()  # the end is not published, so that the typing must expire
    cluster.servers[1].clock.advance(61)
    assert (await customer.expect("typing_indicator"))["isTyping"] is False
    await settle_all(agent, customer)
    assert not customer.seen("typing_indicator") + agent.seen("typing_indicator")


async def test_typing_continues_while_one_of_a_users_two_servers_reports_it(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    tab = await cluster.servers[1].agent()
    await tab.call("join_conversation", "conv-1")
    await agent.call("typing_start", "conv-1")
    await customer.expect("typing_indicator", isTyping=True)
    await tab.call("typing_start", "conv-1")
    await agent.call("leave_conversation", "conv-1")
    await settle_all(agent, tab, customer)
    assert not customer.seen("typing_indicator")
    await tab.close()
    await customer.expect("typing_indicator", isTyping=False)
    assert not tab.seen("typing_indicator")


async def test_join_on_another_server_contains_typing_users(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(typing_expire_ms=60_000)
    customer = await cluster.servers[1].customer()
    await customer.call("join_conversation", "conv-1")
    await customer.call("typing_start", "conv-1")
    agent = await cluster.servers[0].agent()
    await agent.call("join_conversation", "conv-1")
    await agent.expect("typing_indicator", isTyping=True)


async def test_read_marks_reach_the_other_server(start_cluster: StartCluster) -> None:
    agent, customer = await (await start_cluster()).pair()
    await customer.call("send_message", text("read me"))
    await received(agent, 1)
    await agent.call("mark_read", {"conversationId": "conv-1", "seq": 1})
    for peer in (agent, customer):
        mark = await peer.expect("message_read")
        assert (mark["userId"], mark["seq"]) == ("agent-1", 1)
    await settle_all(agent, customer)
    assert not agent.seen("message_read") + customer.seen("message_read")


async def test_reconciliation_sends_a_read_mark_lost_by_the_bus_once(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=50)
    agent, customer = await cluster.pair()
    await agent.call("send_message", text("hello"))
    cluster.buses[1].lost = (ReadMoved,)
    await customer.call("mark_read", {"conversationId": "conv-1", "seq": 1})
    event = await agent.expect("message_read")
    assert (event["seq"], event["conversationId"]) == (1, "conv-1")
    await customer.call("send_message", text("a later sweep follows"))
    await agent.expect("message_received", content="a later sweep follows")
    assert not agent.seen("message_read")


async def test_race_for_a_conversation_has_one_winner_on_all_servers(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    agent, customer = await cluster.pair()
    rival = await cluster.servers[1].agent("agent-2")
    acks = await asyncio.gather(*(peer.call("claim_conversation", change(1)) for peer in (agent, rival)))
    winners = [ack["conversation"]["assignee"]["userId"] for ack in acks if ack["success"]]
    losers = [ack for ack in acks if not ack["success"]]
    assert len(winners) == len(losers) == 1
    assert losers[0]["error"]["code"] == "conflict"
    assert losers[0]["conversation"]["assignee"]["userId"] == winners[0]
    for peer in (agent, customer):
        update = await peer.expect("conversation_updated")
        assert update["conversation"]["assignee"]["userId"] == winners[0]
    await settle_all(agent, customer, rival)
    assert not agent.seen("conversation_updated") + customer.seen("conversation_updated")


async def test_unreported_change_does_not_cause_a_rejection(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000)
    agent, _ = await cluster.pair()
    rival = await cluster.servers[1].agent("agent-2")
    for bus in cluster.buses:
        bus.freeze()
    assert (await agent.call("claim_conversation", change(1)))["success"]
    assert (await rival.call("release_conversation", change(2)))["success"]
    again = await agent.call("claim_conversation", change(3))
    assert again["conversation"]["version"] == 4


async def test_unreported_assignment_to_the_bot_is_noticed_with_the_message(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(sweep_ms=60_000, bot="echo")
    agent, customer = await cluster.pair()
    assert (await agent.call("claim_conversation", change(1)))["success"]
    await customer.expect("conversation_updated")
    for bus in cluster.buses:
        bus.freeze()
    assert (await agent.call("assign_bot", change(2)))["success"]
    await customer.call("send_message", text("to the bot"))
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "bot"
    await customer.expect("message_received", content="to the bot")
    assert (await customer.expect("message_received"))["sender"]["role"] == "bot"
    await agent.call("send_message", text("human again"))
    await customer.call("send_message", text("to a human"))
    assert (await customer.expect("conversation_updated"))["conversation"]["status"] == "assigned"


async def test_servers_receive_only_notifications_for_their_clients(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    first, second = cluster.servers
    other_customer = await second.customer()
    await other_customer.call("join_conversation", "conv-2")
    count = second.parts.cluster.stats.received
    lone_customer = await first.customer()
    await lone_customer.call("join_conversation", "conv-3")
    await lone_customer.call("send_message", text("hello", "conv-3"))
    await lone_customer.call("typing_start", "conv-3")
    await settle_all(lone_customer, other_customer)
    assert second.parts.cluster.stats.received == count
    follower = await second.agent()
    await follower.call("subscribe_inbox", {})
    await lone_customer.call("send_message", text("hello", "conv-3"))
    assert (await follower.expect("conversation_updated"))["conversation"]["headSeq"] == 2


async def test_notification_reaches_the_users_connections_on_every_server(start_cluster: StartCluster) -> None:
    first, second = (await start_cluster()).servers
    mine, other = [await first.agent(), await second.agent()], await second.agent("agent-2")
    path, body = "/api/users/agent-1/notifications", {"event": "notification", "payload": {"title": "new"}}
    status, answer = await first.post(path, body, headers=bearer(first.token("agent-3")))
    assert (status, answer["connections"]) == (200, 1)
    for peer in mine:
        assert await peer.expect("notification") == {"title": "new"}
    first.service.send_to_user("agent-1", "nudge")
    for peer in mine:
        assert await peer.expect("nudge") is None
    await settle_all(*mine, other)
    assert not any(peer.seen("notification") for peer in (*mine, other))


async def test_log_out_closes_the_agents_connections_on_every_server(start_cluster: StartCluster) -> None:
    first, second = (await start_cluster()).servers
    peer, bystander = await second.agent(), await second.agent("agent-2")
    first.clock.advance(1)
    assert (await first.post("/api/auth/logout", headers=bearer(first.token())))[0] == 200
    await peer.wait_closed()
    assert peer.disconnected
    await bystander.settle()


async def test_log_out_is_noticed_without_the_bus(start_cluster: StartCluster) -> None:
    cluster = await start_cluster()
    first, second = cluster.servers
    peer = await second.agent()
    for bus in cluster.buses:
        bus.freeze()
    first.clock.advance(1)
    assert (await first.post("/api/auth/logout", headers=bearer(first.token())))[0] == 200
    await peer.wait_closed()
    assert peer.disconnected


async def test_agents_receive_notices_of_the_bot_on_another_server(start_cluster: StartCluster) -> None:
    cluster = await start_cluster(bot="echo")
    _, customer = await cluster.pair()
    follower = await cluster.servers[0].agent("agent-2")
    await follower.call("subscribe_inbox", {})
    await customer.call("handoff", {"conversationId": "conv-1"})
    assert (await follower.expect("bot_notice"))["kind"] == "handed_off"
