"""Raw client, checks and load test on the example server with its own event names; 20 s."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from chatws.client.mapping import NotMapped, read_mapping
from chatws_loadtest.raw_client import ConnectErrorReceived, RawClient
from tests.loadtest.other_server import MAPPING, run_example_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.node import NodeRunner


@pytest.fixture
async def example_server(node: NodeRunner, tmp_path: Path) -> AsyncIterator[str]:
    """URL of the example server without faults."""
    del node  # the fixture has installed the packages
    async with run_example_server(tmp_path) as url:
        yield url


async def test_raw_client_speaks_the_guide_inside_and_the_servers_names_outside(example_server: str) -> None:
    mapping, tls = read_mapping(MAPPING), ssl.create_default_context()
    agent = await RawClient.authenticated(example_server, tls, {"token": "staff-1"}, mapping=mapping)
    guest = await RawClient.authenticated(example_server, tls, {"sessionId": "guest-1"}, mapping=mapping)
    assert agent.identity == {"userId": "staff-1", "userName": "staff-1", "role": "admin"}
    for client in (agent, guest):
        await client.emit("join_conversation", "room-1")
        await client.expect("joined_conversation", conversationId="room-1")
    ack = await guest.request("send_message", {"conversationId": "room-1", "content": "hello"})
    message = await agent.expect("message_received", conversationId="room-1", content="hello")
    assert ack == {"success": True, "messageId": message["messageId"]}
    assert message["sender"] == {"userId": "guest-1", "userName": "guest-1", "role": "customer"}
    assert (await guest.request("send_message", {"conversationId": "room-1", "content": " "}))["success"] is False
    await guest.emit("typing_start", "room-1")
    await agent.expect("typing_indicator", userId="guest-1", isTyping=True)
    with pytest.raises(NotMapped, match="mark_read"):
        await guest.request("mark_read", {"conversationId": "room-1", "seq": 1})
    with pytest.raises(NotMapped, match="message_read"):
        await guest.receives("message_read")
    await guest.close()
    await agent.expect("presence_update", userId="guest-1", status="offline")
    await agent.close()
    with pytest.raises(ConnectErrorReceived, match="no nickname"):
        await RawClient.authenticated(example_server, tls, {"token": ""}, mapping=mapping)
