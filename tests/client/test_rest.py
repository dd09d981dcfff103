from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws.client import CannotConnect, RequestRefused, RestClient
from chatws.protocol.errors import ErrorCode
from tests.server.rest.support import EMAIL, PASSWORD, add_agent
from tests.support.chat import RunningChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningChat]:
    async with RunningChat(tmp_path / "data") as chat:
        yield chat


async def test_customer_sends_and_reads_messages_without_a_socket(running: RunningChat) -> None:
    async with RestClient(running.url) as ann:
        session = await ann.create_session("Ann", "ann@example.org")
        assert (await ann.set_email("ann@example.com")).email == "ann@example.com"
        assert (await ann.current_session()).user_id == session.user_id
        conversation_id = session.conversation_id or ""
        first = await ann.send(conversation_id, "hello", client_message_id="id-1")
        repeated = await ann.send(conversation_id, "hello", client_message_id="id-1")
        await ann.send(conversation_id, "again")
        page = await ann.messages(conversation_id, after_seq=1)
    assert repeated.seq == first.seq == 1
    assert repeated.duplicate is True
    assert [message.content for message in page.messages] == ["again"]


async def test_agent_logs_in_renews_and_logs_out(running: RunningChat) -> None:
    await add_agent(running)
    async with RestClient(running.url) as customer, RestClient(running.url) as agent:
        conversation_id = (await customer.create_session()).conversation_id
        assert conversation_id is not None
        await customer.send(conversation_id, "hello")
        await agent.login(EMAIL, PASSWORD)
        await agent.refresh()
        listed = await agent.conversations(status="queued")
        assert [conversation.conversation_id for conversation in listed.conversations] == [conversation_id]
        await agent.logout()
        assert agent.token is None


async def test_refusal_carries_the_error_code(running: RunningChat) -> None:
    async with RestClient(running.url) as client:
        with pytest.raises(RequestRefused) as caught:
            await client.login("unknown@example.org", "guess")
    assert caught.value.code is ErrorCode.UNAUTHORIZED


async def test_refused_tcp_connection_is_cannot_connect() -> None:
    async with RestClient("http://127.0.0.1:9") as client:
        with pytest.raises(CannotConnect):
            await client.create_session()
