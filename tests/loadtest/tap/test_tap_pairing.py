"""Events of our server through a tap, paired with their acks and deliveries; 3 s."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.loadtest.tap.tap_run import TapRun
from tests.support.peer import Peer, PeerRefused

if TYPE_CHECKING:
    from tests.support.server import ServerProcess

SECRET_TEXT = "my parcel is late"


async def join_both(url: str, server: ServerProcess) -> tuple[Peer, Peer, str]:
    """Connect a customer and an agent through the tap, and let them join the customer's conversation."""
    session = await asyncio.to_thread(server.new_session)
    room = session["conversationId"]
    customer = await Peer.connect(url, {"sessionId": session["sessionId"]})
    agent = await Peer.connect(url, {"token": server.sign_token("agent-1")})
    for peer in (customer, agent):
        assert (await peer.call("join_conversation", room))["success"]
    return customer, agent, room


async def test_message_is_paired_with_its_ack_and_all_deliveries(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        customer, agent, room = await join_both(tap.url, shared_server)
        message = {"conversationId": room, "content": SECRET_TEXT, "clientMessageId": "mine-1"}
        assert (await customer.call("send_message", message))["success"]
        await agent.expect("message_received")
        await customer.expect("message_received")
        sent = await tap.expect(type="out", event="send_message")
        ack = await tap.expect(type="ack", event="send_message")
        await tap.expect(type="in", event="message_received", c=1)
        await tap.expect(type="in", event="message_received", c=2)
        received = tap.find(type="in", event="message_received")
        await customer.close()
        await agent.close()
        await tap.expect(type="close", c=1, by="client")
    assert (sent.c, sent.room, sent.message, sent.key) == (1, "r1", "m1", "k1")
    assert sent.user == "u1"
    assert (ack.ok, ack.message, ack.seq) == (True, "m1", received[0].seq)
    assert ack.ms is not None
    assert ack.ms > 0
    assert {(row.c, row.message, row.room) for row in received} == {(1, "m1", "r1"), (2, "m1", "r1")}
    assert all(row.ms is not None and row.ms > 0 for row in received)
    assert [row.role for row in tap.find(event="authenticated")] == ["customer", "admin"]
    assert tap.find(type="flag") == []


async def test_contents_ids_and_credentials_are_in_no_record(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        customer, agent, room = await join_both(tap.url, shared_server)
        await customer.call("send_message", {"conversationId": room, "content": SECRET_TEXT})
        await agent.expect("message_received")
        with pytest.raises(PeerRefused):
            await Peer.connect(tap.url, {"token": "forged-token-of-mallory"})
        await customer.close()
        await agent.close()
        await tap.expect(type="close", c=2)
    shown = msgspec.json.encode(tap.records).decode()
    for secret in (SECRET_TEXT, room, "agent-1", "forged", shared_server.sign_token("agent-1")[:20]):
        assert secret not in shown


async def test_contents_are_shown_on_request_and_credentials_never(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url, with_content=True) as tap:
        customer, agent, room = await join_both(tap.url, shared_server)
        await customer.call("send_message", {"conversationId": room, "content": SECRET_TEXT, "token": "hidden-value"})
        await customer.close()
        await agent.close()
        sent = await tap.expect(type="out", event="send_message")
    assert sent.room == room
    assert SECRET_TEXT in sent.content
    shown = msgspec.json.encode(tap.records).decode()
    assert "hidden-value" not in shown
    assert "eyJ" not in shown


async def test_repeated_message_is_the_same_message(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        customer, agent, room = await join_both(tap.url, shared_server)
        message = {"conversationId": room, "content": "again", "clientMessageId": "same"}
        for _ in range(2):
            await customer.call("send_message", message)
        await customer.close()
        await agent.close()
        await tap.expect(type="close", c=2)
    assert {row.message for row in tap.find(type="out", event="send_message")} == {"m1"}
    assert tap.find(type="flag") == []


async def test_event_of_a_room_that_was_not_joined_is_flagged(shared_server: ServerProcess) -> None:
    async with TapRun(shared_server.url) as tap:
        session = await asyncio.to_thread(shared_server.new_session)
        customer = await Peer.connect(tap.url, {"sessionId": session["sessionId"]})
        await customer.call("send_message", {"conversationId": session["conversationId"], "content": "early"})
        flag = await tap.expect(type="flag", flag="before_join")
        await customer.close()
    assert (flag.c, flag.room) == (1, "r1")
