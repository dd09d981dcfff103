"""Rows of the guide's event tables with the guide's own payloads."""

from __future__ import annotations

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat


async def test_authenticate_with_token_or_session_id_after_connecting_without(chat: RunningChat) -> None:
    agent, customer = await chat.connect(), await chat.connect()
    assert (await agent.call("authenticate", {"token": chat.token()}))["success"]
    assert (await customer.call("authenticate", {"sessionId": "session-1"}))["success"]
    assert (await agent.expect("authenticated"))["role"] == "admin"
    assert (await customer.expect("authenticated"))["role"] == "customer"


async def test_join_conversation_takes_the_id_alone(chat: RunningChat) -> None:
    customer = await chat.customer()
    await customer.emit("join_conversation", "conv-123")
    assert await customer.expect("joined_conversation") == {"conversationId": "conv-123"}


async def test_leave_conversation_takes_the_id_alone_and_ends_its_messages(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.emit("leave_conversation", "conv-1")
    assert await customer.expect("left_conversation") == {"conversationId": "conv-1"}
    await agent.call("send_message", {"conversationId": "conv-1", "content": "anybody there?"})
    await customer.settle()
    assert not customer.seen("message_received")


async def test_send_message_takes_conversation_and_content(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    assert (await customer.call("send_message", {"conversationId": "conv-1", "content": "Hello!"}))["success"] is True
    assert (await agent.expect("message_received"))["content"] == "Hello!"


async def test_send_message_without_a_callback_is_sent_too(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.emit("send_message", {"conversationId": "conv-1", "content": "Hello!"})
    await agent.expect("message_received", content="Hello!")


async def test_typing_start_takes_the_id_alone(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.emit("typing_start", "conv-1")
    assert (await agent.expect("typing_indicator"))["isTyping"] is True


async def test_typing_stop_takes_the_id_alone(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await customer.emit("typing_start", "conv-1")
    await customer.emit("typing_stop", "conv-1")
    await agent.expect("typing_indicator", isTyping=True)
    await agent.expect("typing_indicator", isTyping=False)


async def test_authenticated_contains_the_user(chat: RunningChat) -> None:
    agent = await chat.connect({"token": chat.token("agent-7", name="Ada")})
    authenticated = await agent.expect("authenticated")
    assert {key: authenticated[key] for key in ("userId", "userName", "role")} == {
        "userId": "agent-7",
        "userName": "Ada",
        "role": "admin",
    }


async def test_joined_conversation_names_the_conversation(chat: RunningChat) -> None:
    customer = await chat.customer()
    await customer.call("join_conversation", "conv-1")
    assert customer.seen("joined_conversation") == [{"conversationId": "conv-1"}]


async def test_left_conversation_names_the_conversation(chat: RunningChat) -> None:
    _, customer = await chat.pair()
    await customer.call("leave_conversation", "conv-1")
    assert customer.seen("left_conversation") == [{"conversationId": "conv-1"}]


async def test_message_received_is_the_guides_message_data(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.call("send_message", {"conversationId": "conv-1", "content": "Hello customer!"})
    received = await customer.expect("message_received")
    assert received["conversationId"] == "conv-1"
    assert received["content"] == "Hello customer!"
    assert received["sender"] == {"userId": "agent-1", "userName": "Agent-1", "role": "admin"}
    assert received["timestamp"].endswith("Z")


async def test_typing_indicator_has_the_user_and_the_state(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.call("typing_start", "conv-1")
    shown = await customer.expect("typing_indicator")
    assert (shown["userId"], shown["userName"], shown["isTyping"]) == ("agent-1", "Agent-1", True)


async def test_presence_update_reports_users_online_and_offline(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=50)
    customer = await chat.customer()
    await customer.call("join_conversation", "conv-1")
    agent = await chat.agent()
    await agent.call("join_conversation", "conv-1")
    arrived = await customer.expect("presence_update", userId="agent-1")
    assert arrived["status"] == "online"
    assert arrived["timestamp"].endswith("Z")
    await agent.close()
    assert (await customer.expect("presence_update", userId="agent-1"))["status"] == "offline"


async def test_error_has_a_readable_message(chat: RunningChat) -> None:
    customer = await chat.customer()
    await customer.emit("join_conversation", "no such id!")
    assert (await customer.expect("error"))["message"]
