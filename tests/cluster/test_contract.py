"""Chat across servers: agent and customer on different servers behind nginx receive each event once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Literal

import aiohttp
import pytest

from chatws.client import AgentClient, ClientOptions, CustomerClient
from tests.cluster.environment import SERVERS, ClusterEnvironment
from tests.support.chat import until
from tests.support.node import NodeRunner
from tests.support.peer import Payload, Peer
from tests.support.server import SessionBody

MESSAGES = 20
"""Number of messages that a client may send at once."""


class ClusterPeers:
    """Opens connections, each on a different server than the one before."""

    def __init__(self, environment: ClusterEnvironment, stack: AsyncExitStack) -> None:
        self.environment = environment
        self._stack = stack
        self._last: int | None = None

    async def session(self) -> SessionBody:
        return await asyncio.to_thread(self.environment.servers[0].new_session)

    async def connect(self, auth: Payload) -> Peer:
        """Connect through nginx; repeat if nginx selected the same server as before."""
        while True:
            before = await asyncio.to_thread(self.environment.connections)
            peer = await Peer.connect(self.environment.url, auth)
            after = await asyncio.to_thread(self.environment.connections)
            grown = [index for index in range(SERVERS) if after[index] > before[index]]
            # No count has grown if an earlier connection closed at the same time.
            if grown and grown != [self._last]:
                (self._last,) = grown
                self._stack.push_async_callback(peer.close)
                return peer
            await peer.close()

    async def agent(self, user_id: str) -> Peer:
        return await self.connect({"token": self.environment.servers[0].sign_token(user_id)})

    async def pair(self, agent_id: str) -> tuple[Peer, Peer, SessionBody]:
        """Return an agent and a customer in one conversation, on two servers, with nothing left unread."""
        session = await self.session()
        customer = await self.connect({"sessionId": session["sessionId"]})
        await join(customer, session)
        agent = await self.agent(agent_id)
        await join(agent, session)
        await customer.expect("presence_update", userId=agent_id, status="online")
        for peer in (agent, customer):
            await peer.settle()
            peer.events.clear()
        return agent, customer, session


@pytest.fixture
async def peers(shared_environment: ClusterEnvironment) -> AsyncIterator[ClusterPeers]:
    async with AsyncExitStack() as stack:
        yield ClusterPeers(shared_environment, stack)
    await until(lambda: sum(shared_environment.connections()) == 0)


async def join(peer: Peer, session: SessionBody) -> Payload:
    ack = await peer.call("join_conversation", session["conversationId"])
    assert ack["success"]
    return ack


async def send(peer: Peer, session: SessionBody, content: str) -> Payload:
    ack = await peer.call("send_message", {"conversationId": session["conversationId"], "content": content})
    assert ack["success"], ack
    return ack


async def settle(*peers: Peer, session: SessionBody) -> None:
    """Wait for everything in flight: a message arrives after all earlier events of its conversation."""
    await send(peers[0], session, "that is all")
    for peer in peers:
        await peer.expect("message_received", content="that is all")
        await peer.settle()


async def test_messages_reach_the_other_server_once_and_in_order(peers: ClusterPeers) -> None:
    agent, customer, session = await peers.pair("agent-order")
    sides = {"agent": agent, "customer": customer}
    acks = []
    for number in range(MESSAGES):
        for name, peer in sides.items():
            payload = {"conversationId": session["conversationId"], "content": f"{name} {number}"}
            acks.append(await peer.start("send_message", payload))
    assert all(ack["success"] for ack in await asyncio.gather(*acks))
    for peer in sides.values():
        await peer.expect("message_received", seq=2 * MESSAGES)
        await peer.settle()
    shown = {
        name: [(row["seq"], row["content"]) for row in peer.seen("message_received")] for name, peer in sides.items()
    }
    assert shown["agent"] == shown["customer"]
    assert [seq for seq, _ in shown["agent"]] == list(range(1, 2 * MESSAGES))
    own = [content for _, content in shown["agent"] if content.startswith("agent")]
    assert own == sorted(own, key=lambda content: int(content.split()[1]))


async def test_typing_and_read_marks_reach_the_other_server_once(peers: ClusterPeers) -> None:
    agent, customer, session = await peers.pair("agent-typing")
    conversation = session["conversationId"]
    seq = (await send(customer, session, "Hello"))["seq"]
    for is_typing, event in ((True, "typing_start"), (False, "typing_stop")):
        assert (await customer.call(event, conversation))["success"]
        shown = await agent.expect("typing_indicator", userId=session["userId"])
        assert shown["isTyping"] is is_typing
    await agent.call("mark_read", {"conversationId": conversation, "seq": seq})
    assert (await customer.expect("message_read", userId="agent-typing"))["seq"] == seq
    await settle(customer, agent, session=session)
    assert not [*agent.seen("typing_indicator"), *customer.seen("typing_indicator"), *customer.seen("message_read")]
    late = await peers.agent("agent-late")
    typing = asyncio.create_task(type_on(customer, conversation))
    await agent.expect("typing_indicator", isTyping=True)
    # The customer's server reports the typing to the late agent's: before the reply to the join, or right after it.
    if not (await join(late, session))["typing"]:
        await late.expect("typing_indicator", userId=session["userId"], isTyping=True)
    typing.cancel()
    await asyncio.gather(typing, return_exceptions=True)
    await agent.expect("typing_indicator", isTyping=False)  # not renewed: it expires on this server too


async def type_on(peer: Peer, conversation_id: str) -> None:
    """Extend the typing, which otherwise expires in 3 s, until cancelled."""
    while True:
        assert (await peer.call("typing_start", conversation_id))["success"]
        await asyncio.sleep(1)


async def test_user_is_offline_when_the_last_connection_on_any_server_closes(peers: ClusterPeers) -> None:
    agent, customer, session = await peers.pair("agent-presence")
    second = await peers.connect({"sessionId": session["sessionId"]})
    await customer.close()
    await join(second, session)
    third = await peers.agent("agent-third")
    presence = {row["userId"]: row["status"] for row in (await join(third, session))["presence"]}
    assert presence[session["userId"]] == "online"
    await second.close()
    await agent.expect("presence_update", userId=session["userId"], status="offline")
    await settle(agent, third, session=session)
    assert not [row for row in agent.seen("presence_update") if row["userId"] == session["userId"]]


async def test_one_of_two_agents_on_two_servers_gets_a_conversation(peers: ClusterPeers) -> None:
    first, customer, session = await peers.pair("agent-first")
    second = await peers.agent("agent-second")
    ack = await join(second, session)
    version = ack["conversation"]["version"]
    for _ in range(5):
        claim = {"conversationId": session["conversationId"], "version": version}
        acks = await asyncio.gather(*(peer.call("claim_conversation", claim) for peer in (first, second)))
        won, lost = sorted(acks, key=lambda ack: not ack["success"])
        assert (won["success"], lost["error"]["code"]) == (True, "conflict")
        winner = won["conversation"]["assignee"]["userId"]
        for peer in (first, second, customer):
            update = await peer.expect("conversation_updated")
            assert update["conversation"]["assignee"]["userId"] == winner
        holder = first if winner == "agent-first" else second
        release = {"conversationId": session["conversationId"], "version": won["conversation"]["version"]}
        version = (await holder.call("release_conversation", release))["conversation"]["version"]
        for peer in (first, second, customer):
            assert (await peer.expect("conversation_updated"))["conversation"]["assignee"] is None
    await settle(customer, first, second, session=session)
    for peer in (first, second, customer):
        assert not peer.seen("conversation_updated")


async def test_notification_reaches_every_connection_once_from_any_server(peers: ClusterPeers) -> None:
    agent, customer, session = await peers.pair("agent-notify")
    other = await peers.connect({"sessionId": session["sessionId"]})
    await join(other, session)
    headers = {"Authorization": f"Bearer {peers.environment.servers[0].sign_token('agent-notify')}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for number, server in enumerate(peers.environment.servers):
            body = {"event": "notification", "payload": {"title": f"number {number}"}}
            path = f"/api/users/{session['userId']}/notifications"
            async with http.post(server.url + path, json=body) as response:
                assert response.status == 200, await response.text()
    for number in range(SERVERS):
        for peer in (customer, other):
            await peer.expect("notification", title=f"number {number}")
    await settle(agent, customer, other, session=session)
    assert not [*customer.seen("notification"), *other.seen("notification"), *agent.seen("notification")]


async def test_log_out_ends_the_connections_on_every_server(peers: ClusterPeers) -> None:
    agent, _, session = await peers.pair("agent-leaves")
    other = await peers.agent("agent-leaves")
    await join(other, session)
    headers = {"Authorization": f"Bearer {peers.environment.servers[0].sign_token('agent-leaves')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{peers.environment.url}/api/auth/logout") as response,
    ):
        assert response.status == 200, await response.text()
    for peer in (agent, other):
        await peer.wait_closed()
        assert [row["code"] for row in peer.seen("error")] == ["unauthorized"]
        assert peer.disconnected


@pytest.mark.parametrize(
    ("transports", "ends_on"),
    [
        pytest.param("websocket", "websocket", marks=pytest.mark.extended),
        pytest.param("polling", "polling", marks=pytest.mark.extended),
        ("polling,websocket", "websocket"),  # both of them
    ],
)
async def test_npm_client_completes_the_guides_flows_through_nginx(
    node: NodeRunner, shared_environment: ClusterEnvironment, transports: str, ends_on: str
) -> None:
    server = shared_environment.servers[0]
    session = await asyncio.to_thread(server.new_session)
    identity = [session["sessionId"], server.sign_token("agent-npm"), session["conversationId"]]
    rows = await node.run("guide_flow.mjs", shared_environment.url, transports, *identity)
    steps = {str(row.pop("step")): row for row in rows}
    sent = ("customer acked", "agent acked", "customer received without ack")
    assert [steps[step]["seq"] for step in sent] == [1, 2, 3]
    assert steps["agent received typing end"]["isTyping"] is False
    assert steps["agent received customer offline"]["userId"] == session["userId"]
    assert steps["transports"] == {"customer": ends_on, "agent": ends_on}


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
async def test_python_clients_chat_through_nginx(
    shared_environment: ClusterEnvironment, transports: tuple[Literal["websocket", "polling"], ...]
) -> None:
    server = shared_environment.servers[0]
    session = await asyncio.to_thread(server.new_session)
    options = ClientOptions(transports=transports)
    shown: list[Any] = []
    async with (
        CustomerClient(shared_environment.url, session["sessionId"], options=options) as customer,
        AgentClient(shared_environment.url, server.sign_token("agent-python"), options=options) as agent,
    ):
        agent.on_message_received(lambda received: shown.append((received.seq, received.content)))
        await agent.join_conversation(session["conversationId"], after_seq=0)
        await customer.join_conversation(session["conversationId"])
        for content in ("x" * 4_000, "second"):
            await customer.send_message(session["conversationId"], content)
        await until(lambda: len(shown) == 2)
    assert shown == [(1, "x" * 4_000), (2, "second")]
