from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from chatws.client import CustomerClient, RequestRefused, RestClient, faults
from chatws.protocol.errors import ErrorCode
from tests.client.recording_listener import RecordingListener
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from chatws.client import AgentClient
    from tests.support.server import ServerProcess


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "data") as chat:
        yield chat


async def join_both(
    url: str, session_id: str, token: str
) -> tuple[RecordingListener[CustomerClient], RecordingListener[AgentClient], str]:
    """Connect a customer and an agent, and join both to the customer's conversation."""
    customer, agent = RecordingListener.customer(url, session_id), RecordingListener.agent(url, token)
    await asyncio.gather(customer.client.connect(), agent.client.connect())
    async with RestClient(url, session_id=session_id) as rest:
        conversation_id = (await rest.current_session()).conversation_id
    assert conversation_id is not None
    await customer.client.join_conversation(conversation_id)
    await agent.client.join_conversation(conversation_id)
    return customer, agent, conversation_id


async def test_killed_server_loses_no_message_and_keeps_the_order(server: ServerProcess) -> None:
    session, token = await asyncio.to_thread(server.new_session), server.sign_token("agent-1")
    customer, agent, conversation_id = await join_both(server.url, session["sessionId"], token)
    posted = [f"m{number}" for number in range(12)]
    pending = [customer.client.post_message(conversation_id, text) for text in posted[:6]]
    await pending[2].done
    await asyncio.to_thread(server.kill)
    pending += [customer.client.post_message(conversation_id, text) for text in posted[6:]]
    await asyncio.to_thread(server.start)
    acks = [await message.done for message in pending]
    assert [ack.seq for ack in acks] == list(range(1, 13))
    assert await customer.wait_messages(12) == posted
    assert await agent.wait_messages(12) == posted
    assert customer.states.count("connected") == agent.states.count("connected") == 2
    await asyncio.gather(customer.client.disconnect(), agent.client.disconnect())


async def test_stopped_server_completes_accepted_messages_and_the_rest_follows_after_its_restart(
    server: ServerProcess,
) -> None:
    session, token = await asyncio.to_thread(server.new_session), server.sign_token("agent-1")
    customer, agent, conversation_id = await join_both(server.url, session["sessionId"], token)
    posted = [f"m{number}" for number in range(10)]
    pending = [customer.client.post_message(conversation_id, text) for text in posted]
    await pending[1].done
    assert await asyncio.to_thread(server.terminate) in (0, 128 + signal.SIGTERM)
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(message.done for message in pending))
    assert await agent.wait_messages(10) == posted
    await asyncio.gather(customer.client.disconnect(), agent.client.disconnect())


async def test_token_that_expires_during_a_session_is_renewed_and_the_message_sent(running: RunningChat) -> None:
    requested = 0

    def token() -> str:
        nonlocal requested
        requested += 1
        return running.token(ttl_s=600)

    customer, agent = RecordingListener.customer(running.url, "session-1"), RecordingListener.agent(running.url, token)
    await asyncio.gather(customer.client.connect(), agent.client.connect())
    await customer.client.join_conversation("conv-1")
    await agent.client.join_conversation("conv-1")
    running.clock.advance(605)
    ack = await agent.client.send_message("conv-1", "after the end")
    assert ack.seq == 1
    assert requested == 2
    assert agent.states == ["connected"]
    await asyncio.gather(customer.client.disconnect(), agent.client.disconnect())


async def test_chosen_status_is_shown_without_interruption_across_a_reconnect(running: RunningChat) -> None:
    customer = await running.customer()
    await customer.call("join_conversation", "conv-1")
    agent = RecordingListener.agent(running.url, running.token())
    await agent.client.connect()
    await agent.client.join_conversation("conv-1")
    await customer.expect("presence_update", status="online")
    await agent.client.set_presence("away")
    await customer.expect("presence_update", status="away")
    faults.cut_connection(agent.client)
    await agent.wait_for(lambda listener: listener.states.count("connected") == 2)
    await agent.client.join_conversation("conv-1")  # follows the repeated choice
    await customer.settle()
    assert {event["status"] for event in customer.seen("presence_update")} <= {"away"}
    await agent.client.disconnect()


async def test_logout_disconnects_the_agent_for_good(running: RunningChat) -> None:
    token = running.token()
    agent = RecordingListener.agent(running.url, token)
    await agent.client.connect()
    async with RestClient(running.url, token=token) as rest:
        await rest.logout()
    await agent.wait_for(lambda listener: listener.states[-1] == "disconnected")
    with pytest.raises(RequestRefused) as caught:
        await agent.client.send_message("c1", "hello")
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    await agent.client.disconnect()
