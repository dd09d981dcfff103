"""Expiry of a token on an open connection: warning, rejection, renewal and close."""

from __future__ import annotations

import jwt

from tests.server.conftest import StartChat
from tests.support.chat import RunningChat
from tests.support.peer import Peer

MESSAGE = {"conversationId": "conv-1", "content": "hello"}


def short_token(chat: RunningChat, ttl_s: float = 0.5) -> str:
    now = chat.clock.now_ms() / 1000
    claims = {"sub": "agent-1", "role": "admin", "iat": now, "exp": now + ttl_s}
    return jwt.encode(claims, (chat.settings.data_dir / "secret").read_bytes().strip())


async def connect_and_join(chat: RunningChat, token: str) -> Peer:
    await (await chat.customer()).call("join_conversation", "conv-1")
    agent = await chat.connect({"token": token})
    await agent.call("join_conversation", "conv-1")
    return agent


async def test_warning_arrives_before_expiry(start_chat: StartChat) -> None:
    chat = await start_chat(token_expiring_ms=200)
    agent = await chat.connect({"token": short_token(chat, 0.4)})
    warning = await agent.expect("auth_expiring")
    assert 0 < warning["inMs"] <= 200


async def test_token_shorter_than_the_warning_time_is_warned_at_once(chat: RunningChat) -> None:
    agent = await chat.connect({"token": short_token(chat, 30)})
    assert 0 < (await agent.expect("auth_expiring"))["inMs"] <= 30_000


async def test_connection_is_closed_after_the_grace_period_and_can_reconnect(start_chat: StartChat) -> None:
    chat = await start_chat(token_grace_ms=100)
    agent = await chat.connect({"token": short_token(chat)})
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
    token = short_token(chat, 0.8)
    renewed, other = await connect_and_join(chat, token), await chat.connect({"token": token})
    ack = await renewed.call("refresh_token", {"token": chat.token()})
    assert ack["success"]
    assert ack["userId"] == "agent-1"
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
