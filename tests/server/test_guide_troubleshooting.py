"""Troubleshooting list of the guide: each advice works as printed; the HTTP part is tested with REST."""

from __future__ import annotations

import json

import pytest

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Peer, PeerRefused


async def test_connection_fails_verify_auth_credentials_the_refusal_has_the_reason(chat: RunningChat) -> None:
    expired = chat.token(ttl_s=1)
    chat.clock.advance(2)
    codes = []
    for auth in ({"token": "nonsense"}, {"token": expired}, {"token": chat.token(), "sessionId": "both"}):
        with pytest.raises(PeerRefused) as caught:
            await chat.connect(auth)
        assert caught.value.message
        codes.append(caught.value.code)
    assert codes == ["unauthorized", "token_expired", "bad_request"]


async def test_connection_fails_test_with_polling_transport(chat: RunningChat) -> None:
    address = f"{chat.url}/socket.io/?EIO=4&transport=polling"
    async with chat.http.get(address) as response:
        opening = json.loads((await response.text()).removeprefix("0"))
    session = f"{address}&sid={opening['sid']}"
    async with chat.http.post(session, data='40{"sessionId":"s-1"}') as response:
        assert await response.text() == "ok"
    async with chat.http.get(session) as response:
        packets = (await response.text()).split("\x1e")
    assert packets[0].startswith('40{"sid"')
    assert packets[1].startswith('42["authenticated"')


async def test_messages_not_received_verify_both_clients_joined_the_same_room(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    outside = await chat.agent("agent-2")
    refusal = await outside.call("send_message", {"conversationId": "conv-1", "content": "hello?"})
    assert refusal["error"]["code"] == "not_joined"
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    await agent.expect("message_received", content="hello")
    await outside.settle()
    assert not outside.seen("message_received")


async def test_messages_not_received_check_server_logs_for_errors(
    chat: RunningChat, caplog: pytest.LogCaptureFixture
) -> None:
    _, customer = await chat.pair()

    async def broken(*_: object) -> None:
        raise KeyError("what went wrong")

    chat.parts.store.append = broken  # type: ignore[assignment, method-assign]  # injected failure
    await customer.call("send_message", {"conversationId": "conv-1", "content": "hello"})
    assert "request_failed" in caplog.text
    assert "what went wrong" in caplog.text


async def test_typing_indicator_does_not_appear_check_typing_events(chat: RunningChat) -> None:
    agent, customer = await chat.pair()
    await agent.emit("typing_start", "conv-1")
    await customer.expect("typing_indicator", isTyping=True)


async def test_typing_indicator_does_not_appear_three_second_timeout_is_not_too_fast(chat: RunningChat) -> None:
    authenticated = await (await chat.agent()).expect("authenticated")
    assert authenticated["timers"]["typingExpireMs"] == 3000
    assert authenticated["timers"]["typingResendMs"] < authenticated["timers"]["typingExpireMs"]


async def test_typing_indicator_does_not_appear_manual_emit_without_join_gets_the_reason(chat: RunningChat) -> None:
    await chat.pair()
    agent = await chat.agent("agent-2")
    await agent.emit("typing_start", "conv-1")
    failed = await agent.expect("error")
    assert (failed["event"], failed["code"]) == ("typing_start", "not_joined")


async def test_does_not_reconnect_disconnect_and_connect_again_with_the_same_session(chat: RunningChat) -> None:
    customer = await chat.customer("s-1")
    await customer.call("join_conversation", "conv-1")
    agent = await chat.agent()
    await agent.call("join_conversation", "conv-1")
    await customer.close()
    await agent.call("send_message", {"conversationId": "conv-1", "content": "missed"})
    again = await chat.customer("s-1")
    ack = await again.call("join_conversation", {"conversationId": "conv-1", "afterSeq": 0})
    assert [message["content"] for message in ack["messages"]] == ["missed"]


async def test_does_not_reconnect_the_server_is_accessible_after_a_restart(start_chat: StartChat) -> None:
    first = await start_chat()
    token = first.token()
    await first.connect({"token": token})
    await first.stop()
    second = await start_chat()
    await second.connect({"token": token})


async def test_does_not_reconnect_client_that_keeps_retrying_is_accepted(start_chat: StartChat) -> None:
    chat = await start_chat(connections_per_agent=1)
    agent = await chat.agent()
    with pytest.raises(PeerRefused) as caught:
        await chat.agent()
    assert caught.value.code == "connection_limit"
    await agent.close()
    await chat.agent()


async def test_devtools_example_works_as_printed(chat: RunningChat) -> None:
    """Run the example of "Manual Testing with DevTools", which waits for no reply."""
    peer = await Peer.connect(chat.url, {"sessionId": "test-session"})
    await peer.emit("join_conversation", "test-conv")
    await peer.emit("send_message", {"conversationId": "test-conv", "content": "Hello!"})
    assert (await peer.expect("message_received"))["content"] == "Hello!"
    await peer.close()
