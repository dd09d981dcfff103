"""Server-side API of the guide for a program that embeds the server."""

from __future__ import annotations

import pytest

from chatws.protocol.entities import User
from chatws.protocol.errors import ChatError
from chatws.protocol.spec import EVENTS
from chatws.store import NotFound
from tests.support.chat import RunningChat


async def test_send_message_is_stored_and_reaches_the_room_from_the_bot(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    message = await chat.service.send_message("conv-1", "Bot response")
    for peer in (agent, customer):
        received = await peer.expect("message_received")
        assert received["content"] == "Bot response"
        assert received["sender"] == {"userId": "bot", "userName": "AI", "role": "bot"}
        assert (received["seq"], received["messageId"]) == (message.seq, message.message_id)
    assert (await customer.call("history", {"conversationId": "conv-1"}))["headSeq"] == 1


async def test_send_message_has_the_given_sender_and_is_stored_once_per_client_message_id(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    crm = User(user_id="crm", user_name="CRM", role="admin")
    first = await chat.service.send_message("conv-1", "ticket 7", crm, client_message_id="ticket-7")
    again = await chat.service.send_message("conv-1", "ticket 7", crm, client_message_id="ticket-7")
    assert again == first
    await customer.settle()
    assert [one["sender"]["userName"] for one in customer.seen("message_received")] == ["CRM"]


async def test_send_message_to_a_conversation_without_members_is_stored(chat: RunningChat) -> None:
    await chat.parts.store.create_conversation("conv-1", User(user_id="a", user_name="A", role="customer"), "queued")
    await chat.service.send_message("conv-1", "early")
    ack = await (await chat.agent()).call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert [message["content"] for message in ack["messages"]] == ["early"]


async def test_send_message_validates_content_and_conversation(chat: RunningChat) -> None:
    await chat.pair()
    with pytest.raises(ChatError):
        await chat.service.send_message("conv-1", " ")
    with pytest.raises(NotFound):
        await chat.service.send_message("nothing-here", "hello")


async def test_send_to_user_reaches_only_the_connections_of_the_user(chat: RunningChat) -> None:
    first, second, other = await chat.agent(), await chat.agent(), await chat.agent("agent-2")
    payload = {"title": "New message", "body": "You have a new message"}
    assert chat.service.send_to_user("agent-1", "notification", payload) == 2
    for peer in (first, second):
        assert await peer.expect("notification") == payload
    await other.settle()
    assert not other.seen("notification")


async def test_send_to_user_works_without_payload_and_without_connections(chat: RunningChat) -> None:
    agent = await chat.agent()
    chat.service.send_to_user("agent-1", "refresh")
    assert await agent.expect("refresh") is None
    assert chat.service.send_to_user("unknown-user", "refresh") == 0


async def test_send_to_user_refuses_reserved_names(chat: RunningChat) -> None:
    for event in ("connect", "connect_error", "disconnect", *EVENTS):
        with pytest.raises(ValueError, match=event):
            chat.service.send_to_user("agent-1", event, {})


async def test_connection_count_counts_authenticated_connections(chat: RunningChat) -> None:
    assert chat.service.get_connection_count() == 0
    await chat.connect()
    agent = await chat.agent()
    await chat.customer()
    assert chat.service.get_connection_count() == 2
    agent.cut()
    await agent.wait_closed()
    await (await chat.customer()).settle()
    assert chat.service.get_connection_count() == 2
