"""Expiry of a token on an open connection: warning, rejection, renewal and close."""

from __future__ import annotations

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Peer

MESSAGE = {"conversationId": "conv-1", "content": "hello"}


async def connect_and_join(chat: RunningChat, token: str) -> Peer:
    await (await chat.customer()).call("join_conversation", "conv-1")
    agent = await chat.connect({"token": token})
    await agent.call("join_conversation", "conv-1")
    return agent


async def test_warning_arrives_before_expiry(start_chat: StartChat) -> None:
    chat = await start_chat(token_expiring_ms=20_000)
    agent = await chat.connect({"token": chat.token(ttl_s=60)})
    await agent.settle()
    assert not agent.seen("auth_expiring")
    chat.clock.advance(41)
    warning = await agent.expect("auth_expiring")
    assert 0 < warning["inMs"] < 20_000


async def test_token_shorter_than_the_warning_time_is_warned_at_once(chat: RunningChat) -> None:
    agent = await chat.connect({"token": chat.token(ttl_s=30)})
    assert 0 < (await agent.expect("auth_expiring"))["inMs"] <= 30_000


async def test_connection_is_closed_after_the_grace_period_and_can_reconnect(start_chat: StartChat) -> None:
    chat = await start_chat(token_grace_ms=30_000)
    agent = await chat.connect({"token": chat.token(ttl_s=30)})
    await agent.expect("auth_expiring")
    chat.clock.advance(40)
    await agent.settle()
    assert not agent.seen("error")
    chat.clock.advance(21)
    assert (await agent.expect("error"))["code"] == "token_expired"
    await agent.wait_closed()
    assert not agent.disconnected
    await chat.agent()


async def test_sends_after_expiry_are_rejected_until_renewal(chat: RunningChat) -> None:
    agent = await connect_and_join(chat, chat.token(ttl_s=60))
    chat.clock.advance(61)
    rejection = await agent.call("send_message", MESSAGE)
    assert rejection["error"]["code"] == "token_expired"
    assert rejection["error"]["retryable"] is True
    assert (await agent.call("refresh_token", {"token": chat.token()}))["success"]
    assert (await agent.call("send_message", MESSAGE))["success"]


async def test_renewed_connection_is_not_closed_at_the_old_expiry(start_chat: StartChat) -> None:
    chat = await start_chat(token_grace_ms=100)
    token = chat.token(ttl_s=30)
    renewed, other = await connect_and_join(chat, token), await chat.connect({"token": token})
    for agent in (renewed, other):
        await agent.expect("auth_expiring")
    ack = await renewed.call("refresh_token", {"token": chat.token()})
    assert ack["success"]
    assert ack["userId"] == "agent-1"
    chat.clock.advance(31)
    await other.wait_closed()
    assert (await renewed.call("send_message", MESSAGE))["success"]
    assert not renewed.seen("error")


async def test_renewal_requires_a_token_of_the_same_user(chat: RunningChat) -> None:
    agent = await chat.agent("agent-1")
    rejection = await agent.call("refresh_token", {"token": chat.token("agent-2")})
    assert rejection["error"]["code"] == "unauthorized"
    assert (await agent.call("subscribe_inbox", {}))["success"]


async def test_renewal_requires_a_valid_token(chat: RunningChat) -> None:
    expired = chat.token(ttl_s=10)
    agent = await chat.agent()
    chat.clock.advance(20)
    for token, code in (("nonsense", "unauthorized"), (expired, "token_expired")):
        assert (await agent.call("refresh_token", {"token": token}))["error"]["code"] == code


async def test_logged_out_agent_cannot_renew(chat: RunningChat) -> None:
    agent = await chat.agent()
    token = chat.token()
    await chat.parts.store.revoke_tokens("agent-1", chat.clock.now_ms() + 1000)
    assert (await agent.call("refresh_token", {"token": token}))["error"]["code"] == "unauthorized"


async def test_customer_cannot_renew_a_token(chat: RunningChat) -> None:
    customer = await chat.customer()
    assert (await customer.call("refresh_token", {"token": chat.token()}))["error"]["code"] == "forbidden"
