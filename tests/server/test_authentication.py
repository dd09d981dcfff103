"""Authentication of connections: accepted and rejected credentials, and the lifetime of sessions."""

from __future__ import annotations

import asyncio
import gc
import json
from datetime import datetime
from typing import Any

import pytest

from chatws.protocol.entities import User
from chatws.protocol.ids import new_secret_id
from chatws.server.connections.registry import Connection
from chatws.store import retention
from chatws.store.factory import make_database
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.peer import Closed, Peer, PeerRefused


async def refused(chat: RunningChat, auth: Any) -> PeerRefused:
    with pytest.raises(PeerRefused) as caught:
        await chat.connect(auth)
    return caught.value


async def test_authenticated_event_has_expiry_time_epoch_and_timers(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=1234)
    agent = await chat.agent()
    authenticated = await agent.expect("authenticated")
    left = datetime.fromisoformat(authenticated["expiresAt"]) - datetime.fromisoformat(authenticated["serverTime"])
    assert 3590 < left.total_seconds() <= 3600
    assert authenticated["epoch"] == chat.parts.store.epoch
    assert authenticated["timers"] == {
        "typingResendMs": 2000,
        "typingExpireMs": 1234,
        "presenceGraceMs": 5000,
        "positionsMs": 30000,
    }


async def test_rejected_connect_has_a_reason_and_closes_the_transport(chat: RunningChat) -> None:
    peer = await Peer.open(chat.url)
    await peer.send_raw('40{"token":"not.a.token"}')
    frames = await peer.rest_of_frames()
    assert len(frames) == 1
    payload = json.loads(frames[0].removeprefix("44"))
    assert payload["message"]
    assert payload["data"]["code"] == "unauthorized"
    assert payload["data"]["retryable"] is False
    await peer.close()


async def test_token_and_session_together_are_a_bad_request(chat: RunningChat) -> None:
    assert (await refused(chat, {"token": chat.token(), "sessionId": "s-1"})).code == "bad_request"


async def test_hostile_auth_is_a_bad_request_or_a_protocol_error(chat: RunningChat) -> None:
    values: list[Any] = [[], "token", 7, {"token": 7}, {"token": None}, {"sessionId": {"a": 1}}, {"token": ["x"]}]
    for auth in values:
        peer = await Peer.open(chat.url)
        await peer.send_raw("40" + json.dumps(auth))
        frames = await peer.rest_of_frames()
        assert all(json.loads(frame.removeprefix("44"))["data"]["code"] == "bad_request" for frame in frames)
        assert frames or peer.close_code == 1002
        await peer.close()


async def test_connection_without_credentials_may_only_authenticate(chat: RunningChat) -> None:
    peer = await chat.connect()
    for name, payload in [
        ("join_conversation", "conv-1"),
        ("history", {"conversationId": "c"}),
        ("handoff", {"conversationId": "c"}),
    ]:
        assert (await peer.call(name, payload))["error"]["code"] == "unauthorized"
    assert not peer.events


async def test_empty_auth_object_counts_as_no_credentials(chat: RunningChat) -> None:
    peer = await chat.connect({})
    assert (await peer.call("authenticate", {"sessionId": "s-1"}))["success"]


async def test_authenticate_returns_the_user(chat: RunningChat) -> None:
    peer = await chat.connect()
    ack = await peer.call("authenticate", {"token": chat.token("agent-3", name="Ada")})
    assert (ack["userId"], ack["userName"], ack["role"]) == ("agent-3", "Ada", "admin")
    assert ack["expiresAt"] == (await peer.expect("authenticated"))["expiresAt"]


async def test_authenticate_requires_exactly_one_credential(chat: RunningChat) -> None:
    for payload in ({}, {"token": "a", "sessionId": "b"}):
        peer = await chat.connect()
        assert (await peer.call("authenticate", payload))["error"]["code"] == "bad_request"


async def test_second_authenticate_is_rejected_without_effect(chat: RunningChat) -> None:
    peer = await chat.agent()
    again = await peer.call("authenticate", {"token": chat.token("agent-2")})
    assert again["error"]["code"] == "bad_request"
    assert (await peer.call("subscribe_inbox", {}))["success"]
    assert chat.service.get_connection_count() == 1


async def test_failed_authenticate_is_acked_and_ends_the_connection(chat: RunningChat) -> None:
    peer = await chat.connect()
    assert (await peer.call("authenticate", {"token": "nonsense"}))["error"]["code"] == "unauthorized"
    await peer.wait_closed()
    assert peer.disconnected


async def test_connection_without_authentication_gets_an_error_and_is_closed(start_chat: StartChat) -> None:
    chat = await start_chat(authenticate_ms=100)
    peer = await chat.connect()
    assert (await peer.expect("error"))["code"] == "unauthorized"
    await peer.wait_closed()
    assert peer.disconnected


async def test_connection_that_authenticates_in_time_stays_open(start_chat: StartChat) -> None:
    chat = await start_chat(authenticate_ms=1_000)
    silent, peer = await chat.connect(), await chat.connect()
    await peer.call("authenticate", {"token": chat.token()})
    await silent.wait_closed()
    assert (await peer.call("subscribe_inbox", {}))["success"]


async def test_second_connect_closes_the_transport(chat: RunningChat) -> None:
    peer = await chat.agent()
    await peer.send_raw("40" + json.dumps({"token": chat.token()}))
    assert await peer.wait_closed() == 1002


async def test_unknown_agent_is_created_from_the_claims(chat: RunningChat) -> None:
    await chat.connect({"token": chat.token("agent-9", name="Grace", email="Grace@Example.org")})
    account = await chat.parts.store.account("agent-9")
    assert account is not None
    assert account.user == User(user_id="agent-9", user_name="Grace", role="admin")
    assert account.email == "grace@example.org"


async def test_known_agent_keeps_the_stored_name(chat: RunningChat) -> None:
    await chat.connect({"token": chat.token(name="First")})
    peer = await chat.connect({"token": chat.token(name="Second")})
    assert (await peer.expect("authenticated"))["userName"] == "First"


async def test_token_for_a_customers_id_is_rejected(chat: RunningChat) -> None:
    customer = await chat.customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    assert (await refused(chat, {"token": chat.token(user_id)})).code == "unauthorized"


async def test_disabled_agent_is_rejected(chat: RunningChat) -> None:
    await (await chat.agent()).close()
    await chat.parts.store.set_disabled("agent-1", True)
    assert (await refused(chat, {"token": chat.token()})).code == "unauthorized"


async def test_logout_revokes_only_earlier_tokens(chat: RunningChat) -> None:
    earlier = chat.token()
    await (await chat.connect({"token": earlier})).close()
    chat.clock.advance(2)
    await chat.parts.store.revoke_tokens("agent-1", chat.clock.now_ms())
    assert (await refused(chat, {"token": earlier})).code == "unauthorized"
    chat.clock.advance(0.001)
    await chat.connect({"token": chat.token()})


@pytest.mark.parametrize("how", ["revoke_tokens", "set_disabled"])
async def test_logout_or_disable_by_another_process_closes_all_connections(chat: RunningChat, how: str) -> None:
    first, second, other = await chat.agent(), await chat.agent(), await chat.agent("agent-2")
    chat.clock.advance(1)
    async with chat.other_store() as store:
        if how == "revoke_tokens":
            await store.revoke_tokens("agent-1", chat.clock.now_ms())
        else:
            await store.set_disabled("agent-1", True)
    for peer in (first, second):
        assert (await peer.expect("error"))["code"] == "unauthorized"
        await peer.wait_closed()
        assert peer.disconnected
    assert (await other.call("subscribe_inbox", {}))["success"]
    assert chat.service.get_connection_count() == 1


async def test_erasing_a_user_closes_all_connections_of_the_user(chat: RunningChat) -> None:
    agent, customer = await chat.agent(), await chat.customer()
    customer_id = (await customer.expect("authenticated"))["userId"]
    other = await chat.agent("agent-2")
    database = make_database(chat.settings.database, server=False)
    await database.open()
    for user_id, peer in (("agent-1", agent), (customer_id, customer)):
        await retention.erase(database, user_id, chat.clock.now_ms(), notice_s=0)
        assert (await peer.expect("error"))["code"] == "unauthorized"
        await peer.wait_closed()
    await database.close()
    assert (await other.call("subscribe_inbox", {}))["success"]
    assert (await refused(chat, {"token": chat.token()})).code == "unauthorized"


async def test_session_identifies_one_customer_on_all_connections(chat: RunningChat) -> None:
    authenticated = [await (await chat.customer("s-1")).expect("authenticated") for _ in range(2)]
    other = await (await chat.customer("s-2")).expect("authenticated")
    assert authenticated[0]["userId"] == authenticated[1]["userId"] != other["userId"]


async def test_development_mode_accepts_any_session_and_creates_conversations(chat: RunningChat) -> None:
    customer = await chat.customer("test-session")
    user_id = (await customer.expect("authenticated"))["userId"]
    ack = await customer.call("join_conversation", "test-conv")
    assert ack["conversation"]["customer"]["userId"] == user_id
    assert (await (await chat.customer("another")).call("join_conversation", "test-conv"))["error"][
        "code"
    ] == "forbidden"


async def test_join_of_an_agent_creates_no_conversation(chat: RunningChat) -> None:
    agent = await chat.agent()
    assert (await agent.call("join_conversation", "conv-1"))["error"]["code"] == "not_found"


async def test_production_accepts_only_existing_sessions(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    assert (await refused(chat, {"sessionId": "test-session"})).code == "unauthorized"
    session_id = new_secret_id()
    ann = User(user_id="ann", user_name="Ann", role="customer")
    await chat.parts.store.create_session(session_id, ann, chat.clock.now_ms() + 60_000, None, "queued")
    customer = await chat.customer(session_id)
    assert (await customer.expect("authenticated"))["userId"] == "ann"
    assert (await customer.call("join_conversation", "new-conv"))["error"]["code"] == "forbidden"


async def test_session_is_extended_by_use_and_expires_without(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    first = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(90)
    second = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(90)
    third = await (await chat.customer("s-1")).expect("authenticated")
    assert first["userId"] == second["userId"] == third["userId"]
    assert first["expiresAt"] < second["expiresAt"] < third["expiresAt"]
    chat.clock.advance(101)
    assert (await refused(chat, {"sessionId": "s-1"})).code == "session_expired"


async def test_session_is_not_extended_within_a_tenth_of_its_lifetime(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    first = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(9)
    soon = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(2)
    later = await (await chat.customer("s-1")).expect("authenticated")
    assert first["expiresAt"] == soon["expiresAt"] < later["expiresAt"]


async def test_session_is_extended_by_requests_on_one_connection(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.call("join_conversation", "conv-1")
    for number in range(3):
        chat.clock.advance(60)
        assert (await customer.call("send_message", {"conversationId": "conv-1", "content": str(number)}))["success"]
    chat.clock.advance(60)
    await chat.customer("s-1")


async def test_expired_session_is_rejected_on_its_open_connection(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.call("join_conversation", "conv-1")
    chat.clock.advance(101)
    refusal = await customer.call("send_message", {"conversationId": "conv-1", "content": "late"})
    assert refusal["error"]["code"] == "session_expired"


async def test_unavailable_store_does_not_prevent_a_reply_to_an_extended_session(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.call("join_conversation", "conv-1")
    chat.clock.advance(60)
    await chat.parts.store.close()
    assert (await customer.call("typing_start", "conv-1"))["success"]


async def test_simultaneous_requests_extend_their_session_once(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.call("join_conversation", "conv-1")
    extended = []

    async def hang(session_id: str, expires_at_ms: int) -> None:
        del expires_at_ms
        extended.append(session_id)
        await asyncio.Event().wait()

    chat.parts.store.touch_session = hang  # type: ignore[method-assign]  # a real database cannot be made to hang
    chat.clock.advance(60)
    acks = await asyncio.gather(*[await customer.start("typing_start", "conv-1") for _ in range(5)])
    assert all(ack["success"] for ack in acks)
    assert len(extended) == 1


async def test_session_id_of_invalid_length_is_unauthorized(chat: RunningChat) -> None:
    for session_id in ("", "x" * 129):
        assert (await refused(chat, {"sessionId": session_id})).code == "unauthorized"


async def test_credentials_with_invalid_unicode_close_the_transport(chat: RunningChat) -> None:
    for field in ("sessionId", "token"):
        with pytest.raises(Closed) as caught:
            await chat.connect({field: "\ud800"})
        assert caught.value.code == 1002


async def test_any_other_text_is_a_valid_session_id_in_development(chat: RunningChat) -> None:
    for session_id in ("a\x00b", "é" * 128, "'; drop table sessions;--"):
        authenticated = [await (await chat.customer(session_id)).expect("authenticated") for _ in range(2)]
        assert authenticated[0]["userId"] == authenticated[1]["userId"]


async def test_closed_connection_is_freed_without_cyclic_garbage_collection(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    gc.collect()
    gc.disable()
    try:
        for peer in await chat.pair():
            await peer.call("send_message", {"conversationId": "conv-1", "content": "x"})
            await peer.close()
        await until(lambda: not [value for value in gc.get_objects() if type(value) is Connection])
    finally:
        gc.enable()
