"""Authentication with all kinds of credentials, and the errors of rejected ones."""

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
from tests.support.peer import Closed, Peer, Refused


async def refused(chat: RunningChat, auth: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await chat.connect(auth)
    return caught.value


async def test_authenticated_carries_expiry_time_epoch_and_timers(start_chat: StartChat) -> None:
    chat = await start_chat(typing_expire_ms=1234)
    agent = await chat.agent()
    greeting = await agent.expect("authenticated")
    left = datetime.fromisoformat(greeting["expiresAt"]) - datetime.fromisoformat(greeting["serverTime"])
    assert 3590 < left.total_seconds() <= 3600
    assert greeting["epoch"] == chat.parts.store.epoch
    assert greeting["timers"] == {
        "typingResendMs": 2000,
        "typingExpireMs": 1234,
        "presenceGraceMs": 5000,
        "positionsMs": 30000,
    }


async def test_rejected_connect_has_an_error_and_the_transport_is_closed(chat: RunningChat) -> None:
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


@pytest.mark.parametrize(
    "auth", [[], "token", 7, {"token": 7}, {"token": None}, {"sessionId": {"a": 1}}, {"token": ["x"]}]
)
async def test_hostile_auth_is_a_bad_request_or_a_protocol_error(chat: RunningChat, auth: Any) -> None:
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
        assert (await peer.ask(name, payload))["error"]["code"] == "unauthorized"
    assert not peer.events


async def test_empty_auth_object_is_no_credentials(chat: RunningChat) -> None:
    peer = await chat.connect({})
    assert (await peer.ask("authenticate", {"sessionId": "s-1"}))["success"]


async def test_authenticate_answers_with_the_user(chat: RunningChat) -> None:
    peer = await chat.connect()
    ack = await peer.ask("authenticate", {"token": chat.token("agent-3", name="Ada")})
    assert (ack["userId"], ack["userName"], ack["role"]) == ("agent-3", "Ada", "admin")
    assert ack["expiresAt"] == (await peer.expect("authenticated"))["expiresAt"]


@pytest.mark.parametrize("payload", [{}, {"token": "a", "sessionId": "b"}])
async def test_authenticate_requires_exactly_one_credential(chat: RunningChat, payload: Any) -> None:
    peer = await chat.connect()
    assert (await peer.ask("authenticate", payload))["error"]["code"] == "bad_request"


async def test_second_authenticate_is_refused_and_changes_nothing(chat: RunningChat) -> None:
    peer = await chat.agent()
    again = await peer.ask("authenticate", {"token": chat.token("agent-2")})
    assert again["error"]["code"] == "bad_request"
    assert (await peer.ask("subscribe_inbox", {}))["success"]
    assert chat.service.get_connection_count() == 1


async def test_failed_authenticate_may_be_repeated(chat: RunningChat) -> None:
    peer = await chat.connect()
    assert (await peer.ask("authenticate", {"token": "nonsense"}))["error"]["code"] == "unauthorized"
    assert (await peer.ask("authenticate", {"token": chat.token()}))["success"]


async def test_client_that_never_authenticates_gets_an_error_and_is_disconnected(start_chat: StartChat) -> None:
    chat = await start_chat(authenticate_ms=100)
    peer = await chat.connect()
    assert (await peer.expect("error"))["code"] == "unauthorized"
    await peer.wait_closed()
    assert peer.disconnected


async def test_client_that_authenticates_in_time_stays_connected(start_chat: StartChat) -> None:
    chat = await start_chat(authenticate_ms=1_000)
    silent, peer = await chat.connect(), await chat.connect()
    await peer.ask("authenticate", {"token": chat.token()})
    await silent.wait_closed()
    assert (await peer.ask("subscribe_inbox", {}))["success"]


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


async def test_token_for_a_customers_id_is_refused(chat: RunningChat) -> None:
    customer = await chat.customer()
    user_id = (await customer.expect("authenticated"))["userId"]
    assert (await refused(chat, {"token": chat.token(user_id)})).code == "unauthorized"


async def test_disabled_agent_is_refused(chat: RunningChat) -> None:
    await (await chat.agent()).close()
    await chat.parts.store.set_disabled("agent-1", True)
    assert (await refused(chat, {"token": chat.token()})).code == "unauthorized"


async def test_token_from_before_the_log_out_is_refused_and_a_later_one_is_not(chat: RunningChat) -> None:
    earlier = chat.token()
    await (await chat.connect({"token": earlier})).close()
    chat.clock.advance(2)
    await chat.parts.store.revoke_tokens("agent-1", chat.clock.now_ms())
    assert (await refused(chat, {"token": earlier})).code == "unauthorized"
    chat.clock.advance(0.001)
    await chat.connect({"token": chat.token()})


@pytest.mark.parametrize("how", ["revoke_tokens", "set_disabled"])
async def test_log_out_or_disable_by_another_process_closes_every_socket_of_the_user(
    chat: RunningChat, how: str
) -> None:
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
    assert (await other.ask("subscribe_inbox", {}))["success"]
    assert chat.service.get_connection_count() == 1


async def test_erasing_a_user_closes_the_users_connections(chat: RunningChat) -> None:
    agent, customer = await chat.agent(), await chat.customer()
    customer_id = (await customer.expect("authenticated"))["userId"]
    bystander = await chat.agent("agent-2")
    database = make_database(chat.settings.database, server=False)
    await database.open()
    for user_id, peer in (("agent-1", agent), (customer_id, customer)):
        await retention.erase(database, user_id, chat.clock.now_ms(), notice_s=0)
        assert (await peer.expect("error"))["code"] == "unauthorized"
        await peer.wait_closed()
    await database.close()
    assert (await bystander.ask("subscribe_inbox", {}))["success"]
    assert (await refused(chat, {"token": chat.token()})).code == "unauthorized"


async def test_session_is_one_customer_wherever_it_connects(chat: RunningChat) -> None:
    greetings = [await (await chat.customer("s-1")).expect("authenticated") for _ in range(2)]
    other = await (await chat.customer("s-2")).expect("authenticated")
    assert greetings[0]["userId"] == greetings[1]["userId"] != other["userId"]


async def test_development_mode_accepts_any_session_and_creates_conversations_on_join(chat: RunningChat) -> None:
    customer = await chat.customer("test-session")
    user_id = (await customer.expect("authenticated"))["userId"]
    ack = await customer.ask("join_conversation", "test-conv")
    assert ack["conversation"]["customer"]["userId"] == user_id
    assert (await (await chat.customer("another")).ask("join_conversation", "test-conv"))["error"][
        "code"
    ] == "forbidden"


async def test_join_of_an_agent_creates_no_conversation(chat: RunningChat) -> None:
    agent = await chat.agent()
    assert (await agent.ask("join_conversation", "conv-1"))["error"]["code"] == "not_found"


async def test_production_accepts_created_sessions_only(start_chat: StartChat) -> None:
    chat = await start_chat(mode="prod")
    assert (await refused(chat, {"sessionId": "test-session"})).code == "unauthorized"
    session_id = new_secret_id()
    ann = User(user_id="ann", user_name="Ann", role="customer")
    await chat.parts.store.create_session(session_id, ann, chat.clock.now_ms() + 60_000, None, "queued")
    customer = await chat.customer(session_id)
    assert (await customer.expect("authenticated"))["userId"] == "ann"
    assert (await customer.ask("join_conversation", "new-conv"))["error"]["code"] == "forbidden"


async def test_session_is_extended_by_use_and_finally_expires(start_chat: StartChat) -> None:
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


async def test_session_is_not_extended_within_a_tenth_of_its_ttl(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    first = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(9)
    soon = await (await chat.customer("s-1")).expect("authenticated")
    chat.clock.advance(2)
    later = await (await chat.customer("s-1")).expect("authenticated")
    assert first["expiresAt"] == soon["expiresAt"] < later["expiresAt"]


async def test_session_is_extended_by_use_of_one_connection(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.ask("join_conversation", "conv-1")
    for number in range(3):
        chat.clock.advance(60)
        assert (await customer.ask("send_message", {"conversationId": "conv-1", "content": str(number)}))["success"]
    chat.clock.advance(60)
    await chat.customer("s-1")


async def test_unused_session_expires_on_an_open_connection(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.ask("join_conversation", "conv-1")
    chat.clock.advance(101)
    refusal = await customer.ask("send_message", {"conversationId": "conv-1", "content": "late"})
    assert refusal["error"]["code"] == "session_expired"


async def test_stalled_store_does_not_block_replies_of_an_extended_session(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.ask("join_conversation", "conv-1")
    chat.clock.advance(60)
    await chat.parts.store.close()
    assert (await customer.ask("typing_start", "conv-1"))["success"]


async def test_concurrent_requests_wait_for_one_extension_of_their_session(start_chat: StartChat) -> None:
    chat = await start_chat(session_ttl_s=100)
    customer = await chat.customer("s-1")
    await customer.ask("join_conversation", "conv-1")
    slid = []

    async def stuck(session_id: str, expires_at_ms: int) -> None:
        del expires_at_ms
        slid.append(session_id)
        await asyncio.Event().wait()

    chat.parts.store.touch_session = stuck  # type: ignore[method-assign]  # no database hangs on demand
    chat.clock.advance(60)
    acks = await asyncio.gather(*[await customer.start("typing_start", "conv-1") for _ in range(5)])
    assert all(ack["success"] for ack in acks)
    assert len(slid) == 1


@pytest.mark.parametrize("session_id", ["", "x" * 129])
async def test_impossible_session_id_is_refused_by_name(chat: RunningChat, session_id: str) -> None:
    assert (await refused(chat, {"sessionId": session_id})).code == "unauthorized"


@pytest.mark.parametrize("field", ["sessionId", "token"])
async def test_credentials_that_are_no_unicode_close_the_transport(chat: RunningChat, field: str) -> None:
    with pytest.raises(Closed) as caught:
        await chat.connect({field: "\ud800"})
    assert caught.value.code == 1002


@pytest.mark.parametrize("session_id", ["a\x00b", "é" * 128, "'; drop table sessions;--"])
async def test_any_other_text_is_a_session_id_in_development(chat: RunningChat, session_id: str) -> None:
    greetings = [await (await chat.customer(session_id)).expect("authenticated") for _ in range(2)]
    assert greetings[0]["userId"] == greetings[1]["userId"]


async def test_closed_connection_is_freed_without_garbage_collection(start_chat: StartChat) -> None:
    chat = await start_chat(presence_grace_ms=1)
    gc.collect()
    gc.disable()
    try:
        for peer in await chat.pair():
            await peer.ask("send_message", {"conversationId": "conv-1", "content": "x"})
            await peer.close()
        await until(lambda: not [found for found in gc.get_objects() if type(found) is Connection])
    finally:
        gc.enable()
