from __future__ import annotations

import asyncio
import ssl
import subprocess
from types import CoroutineType
from typing import TYPE_CHECKING

import engineio
import pytest

from chatws.client import (
    CannotConnect,
    ClientOptions,
    ConnectionLost,
    ConversationReloaded,
    CustomerClient,
    Disconnected,
    Event,
    OutboxFull,
    Refused,
)
from chatws.protocol.errors import ErrorCode
from tests.client.chat_server import ChatServer, refusal
from tests.client.listener import Listener
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path


async def test_message_is_acked_and_echoed_as_own(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    ack = await ann.client.send_message("c1", "hello")
    await chat.say("c1", "good morning")
    assert await ann.wait_messages(2) == ["hello", "good morning"]
    assert ack.seq == 1
    assert [message.own for message in ann.messages] == [True, False]


async def test_message_posted_while_the_server_is_dead_arrives_once_and_in_order_after_the_rejoin(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    await ann.client.send_message("c1", "first")
    await chat.kill()
    await ann.wait_for(lambda heard: "reconnecting" in heard.states)
    pending = [ann.client.post_message("c1", text) for text in ("second", "third")]
    assert [message.state for message in pending] == ["queued", "queued"]
    await chat.say("c1", "said meanwhile")
    await chat.start()
    acks = [await message.done for message in pending]
    assert await ann.wait_messages(4) == ["first", "said meanwhile", "second", "third"]
    assert [ack.seq for ack in acks] == [3, 4]
    assert [message.state for message in pending] == ["stored", "stored"]
    names = [name for name, _ in chat.commands]
    assert names.index("send_message", 2) > names.index("join_conversation", 1)


async def test_lost_ack_leads_to_a_repeat_with_the_same_id(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    chat.swallow_acks = 1
    pending = ann.client.post_message("c1", "once")
    await chat.heard("send_message")
    assert pending.state == "sent"
    chat.cut()
    ack = await pending.done
    assert ack.duplicate is True
    assert len(chat.messages["c1"]) == 1
    assert len({payload["clientMessageId"] for payload in await chat.heard("send_message", 2)}) == 1
    assert await ann.wait_messages(1) == ["once"]


async def test_everything_missed_comes_in_order_when_it_takes_many_pages(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    await chat.kill()
    for number in range(23):
        await chat.say("c1", f"m{number}")
    await chat.start()
    assert await ann.wait_messages(23) == [f"m{number}" for number in range(23)]
    assert all(message.caught_up for message in ann.messages)


async def test_lost_broadcast_is_fetched_before_the_next_message_is_shown(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    chat.lose_broadcasts = 2
    for text in ("a", "b", "c"):
        await chat.say("c1", text)
    assert await ann.wait_messages(3) == ["a", "b", "c"]
    assert ann.client.stats().gaps_filled == 1


async def test_lost_last_message_is_found_by_its_position(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    chat.lose_broadcasts = 1
    await chat.say("c1", "nobody heard this")
    await chat.tell_all("positions", {"c1": 1})
    assert await ann.wait_messages(1) == ["nobody heard this"]


async def test_message_told_twice_is_delivered_once(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    message = await chat.say("c1", "a")
    await chat.tell_all("message_received", message)
    await chat.say("c1", "b")
    assert await ann.wait_messages(2) == ["a", "b"]
    assert ann.client.stats().duplicates_dropped == 1


async def test_restored_database_makes_the_conversation_reload(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    for text in ("a", "b", "c"):
        await chat.say("c1", text)
    await ann.wait_messages(3)
    await chat.kill()
    chat.epoch, chat.messages["c1"] = "epoch-2", chat.messages["c1"][:1]
    await chat.start()
    await ann.wait_for(lambda heard: bool(heard.of(Event.CONVERSATION_RELOADED)))
    await chat.say("c1", "after the restore")
    assert await ann.wait_messages(4) == ["a", "b", "c", "after the restore"]
    (reloaded,) = ann.of(Event.CONVERSATION_RELOADED)
    assert isinstance(reloaded, ConversationReloaded)
    assert [message.content for message in reloaded.messages] == ["a"]


async def test_rate_limited_message_is_repeated_and_not_overtaken(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    chat.refuse_sends = [refusal("rate_limited", retryable=True, retry_after_ms=20)] * 2
    pending = [ann.client.post_message("c1", text) for text in ("a", "b")]
    await asyncio.gather(*(message.done for message in pending))
    assert [message["content"] for message in chat.messages["c1"]] == ["a", "b"]


async def test_finally_refused_message_fails_and_the_next_one_leaves(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    chat.refuse_sends = [refusal("forbidden", retryable=False)]
    bad, good = (ann.client.post_message("c1", text) for text in ("a", "b"))
    with pytest.raises(Refused) as caught:
        await bad.done
    await good.done
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert (bad.state, good.state) == ("failed", "stored")


async def test_pending_messages_fail_when_the_user_disconnects(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    chat.swallow_acks = 1
    pending = [ann.client.post_message("c1", text) for text in ("a", "b")]
    await chat.heard("send_message")
    await ann.client.disconnect()
    for message in pending:
        with pytest.raises(Disconnected):
            await message.done
    with pytest.raises(Disconnected):
        await ann.client.send_message("c1", "too late")
    assert ann.states[-1] == "disconnected"


async def test_client_connects_again_after_a_disconnect_and_goes_on_where_it_was(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    await ann.client.disconnect()
    await chat.say("c1", "meanwhile")
    await ann.client.connect()
    assert await ann.wait_messages(1) == ["meanwhile"]


async def test_nobody_listening_is_cannot_connect(chat: ChatServer) -> None:
    await chat.kill()
    with pytest.raises(CannotConnect):
        await CustomerClient(chat.url, "ann").connect()


async def test_first_connect_may_be_patient(chat: ChatServer) -> None:
    await chat.kill()
    ann = Listener.customer(chat.url, "ann", ClientOptions(retry_first_connect=True))
    connecting = asyncio.create_task(ann.client.connect())
    await ann.wait_for(lambda heard: "reconnecting" in heard.states)
    await chat.start()
    assert (await connecting).user_id == "ann"
    await ann.client.disconnect()


async def test_given_number_of_attempts_is_the_end(chat: ChatServer) -> None:
    ann = Listener.customer(chat.url, "ann", ClientOptions(max_attempts=2))
    await ann.client.connect()
    pending = ann.client.join_conversation("c1")
    await pending
    await chat.kill()
    lost = ann.client.post_message("c1", "never sent")
    with pytest.raises(CannotConnect):
        await lost.done
    assert ann.client.state == "disconnected"
    await ann.client.disconnect()


async def test_bad_credentials_are_refused_and_not_tried_again(chat: ChatServer) -> None:
    chat.refuse_connect = [{"message": "no", "data": {"code": "session_expired"}}]
    with pytest.raises(Refused) as caught:
        await CustomerClient(chat.url, "ann").connect()
    assert caught.value.code is ErrorCode.SESSION_EXPIRED
    assert len(chat.auths) == 1


async def test_crowded_server_is_tried_again(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    chat.refuse_connect = [{"message": "full", "data": {"code": "connection_limit"}}]
    chat.cut()
    await ann.wait_for(lambda heard: heard.states.count("reconnecting") == 2)
    await ann.wait_for(lambda heard: heard.states[-1] == "connected")


async def test_expired_token_is_asked_for_again(chat: ChatServer) -> None:
    tokens = iter(["old", "new"])
    chat.refuse_connect = [{"message": "expired", "data": {"code": "token_expired"}}]
    agent = Listener.agent(chat.url, lambda: next(tokens))
    user = await agent.client.connect()
    assert user.user_id == "agent-new"
    assert chat.auths == [{"token": "old"}, {"token": "new"}]
    await agent.client.disconnect()


async def test_expired_token_is_final_when_there_is_no_other(chat: ChatServer) -> None:
    chat.refuse_connect = [{"message": "expired", "data": {"code": "token_expired"}}]
    with pytest.raises(Refused) as caught:
        await Listener.agent(chat.url, "old").client.connect()
    assert caught.value.code is ErrorCode.TOKEN_EXPIRED


async def test_token_is_renewed_on_the_live_connection(chat: ChatServer) -> None:
    tokens = iter(["first", "second"])

    async def fetch() -> str:
        return next(tokens)

    agent = Listener.agent(chat.url, fetch)
    await agent.client.connect()
    await chat.tell_all("auth_expiring", {"inMs": 60000})
    assert await chat.heard("refresh_token") == [{"token": "second"}]
    await agent.client.disconnect()


async def test_disconnect_by_the_server_is_final_and_fails_what_is_pending(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    chat.swallow_acks = 1
    pending = ann.client.post_message("c1", "a")
    await chat.heard("send_message")
    await chat.log_out_all()
    with pytest.raises(Refused) as caught:
        await pending.done
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    assert ann.client.state == "disconnected"
    assert len(chat.auths) == 1


async def test_draining_server_gets_no_more_and_the_client_comes_back(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    await chat.tell_all("server_draining", {"retryAfterMs": 30})
    await chat.tell_all("notification", {})
    await ann.wait_for(lambda heard: bool(heard.of("notification")))
    pending = ann.client.post_message("c1", "for the next server")
    assert pending.state == "queued"
    chat.cut()
    assert (await pending.done).seq == 1


async def test_claim_lost_under_way_is_reported_and_not_repeated(chat: ChatServer) -> None:
    agent = Listener.agent(chat.url, "t")
    await agent.client.connect()
    with pytest.raises(Refused) as caught:
        await agent.client.claim_conversation("c1", 7)
    assert caught.value.conversation is not None
    assert caught.value.conversation.version == 1
    await chat.kill()
    await agent.wait_for(lambda heard: "reconnecting" in heard.states)
    with pytest.raises(ConnectionLost):
        await agent.client.claim_conversation("c1", 1)
    await agent.client.disconnect()


async def test_presence_and_inbox_are_told_again_to_a_new_connection(chat: ChatServer) -> None:
    agent = Listener.agent(chat.url, "t")
    await agent.client.connect()
    await agent.client.set_presence("busy")
    await agent.client.subscribe_inbox(status="queued")
    chat.cut()
    assert (await chat.heard("set_presence", 2))[1] == {"status": "busy"}
    assert (await chat.heard("subscribe_inbox", 2))[1] == {"status": "queued"}
    await agent.wait_for(lambda heard: len(heard.of(Event.INBOX_LOADED)) == 2)
    await agent.client.disconnect()


async def test_typing_of_others_ends_with_the_connection_and_returns_with_the_snapshot(
    chat: ChatServer, ann: Listener[CustomerClient]
) -> None:
    typing = {"conversationId": "c1", "userId": "agent-1", "userName": "Agent", "isTyping": True}
    await chat.tell_all("typing_indicator", typing)
    await ann.wait_for(lambda heard: len(heard.of(Event.TYPING_INDICATOR)) == 1)
    chat.typing = ["agent-1"]
    chat.cut()
    await ann.wait_for(lambda heard: len(heard.of(Event.TYPING_INDICATOR)) == 3)
    assert [getattr(event, "is_typing", None) for event in ann.of(Event.TYPING_INDICATOR)] == [True, False, True]


async def test_own_typing_is_sent_once_for_many_key_strokes(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    for _ in range(20):
        await ann.client.send_typing_start("c1")
    await ann.client.send_typing_stop("c1")
    await ann.client.send_typing_stop("c1")
    await ann.client.mark_read("c1", 0)
    assert [name for name, _ in chat.commands[1:]] == ["typing_start", "typing_stop", "mark_read"]


async def test_failing_callback_does_not_stop_the_others(
    chat: ChatServer, ann: Listener[CustomerClient], caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    async def keep(message: object) -> None:
        await asyncio.sleep(0)
        heard.append(message)

    def fail(_: object) -> None:
        raise RuntimeError

    ann.client.on_message_received(fail)
    stop = ann.client.on_message_received(keep)
    await chat.say("c1", "a")
    await chat.say("c1", "b")
    await ann.wait_for(lambda _: len(heard) == 2)
    assert [record.message for record in caplog.records] == ["callback_failed"] * 2
    stop()
    await chat.say("c1", "c")
    await ann.wait_messages(3)
    assert len(heard) == 2


async def test_callback_may_disconnect_the_client(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    ended = asyncio.Event()

    async def leave(_: object) -> None:
        await ann.client.disconnect()
        ended.set()

    ann.client.on_message_received(leave)
    await chat.say("c1", "a")
    await asyncio.wait_for(ended.wait(), 10)


async def test_slow_callbacks_bound_what_is_kept_and_lose_nothing(chat: ChatServer) -> None:
    ann = Listener.customer(chat.url, "ann", ClientOptions(max_backlog=10))
    await ann.client.connect()
    await ann.client.join_conversation("c1")
    gate = asyncio.Event()

    async def wait(_: object) -> None:
        await gate.wait()

    ann.client.on_message_received(wait)
    for number in range(40):
        await chat.say("c1", f"m{number}")
    await ann.client.send_typing_start("c1")
    gate.set()
    assert await ann.wait_messages(40) == [f"m{number}" for number in range(40)]
    assert ann.client.stats().reconnects >= 1
    await ann.client.disconnect()


async def test_full_outbox_takes_no_more(chat: ChatServer) -> None:
    client = CustomerClient(chat.url, "ann", options=ClientOptions(max_outbox=2))
    client.post_message("c1", "a")
    client.post_message("c1", "b")
    with pytest.raises(OutboxFull):
        client.post_message("c1", "c")
    await client.connect()
    await client.join_conversation("c1")
    assert (await client.send_message("c1", "c")).seq == 3
    await client.disconnect()


async def test_content_that_no_server_takes_is_refused_at_once(chat: ChatServer) -> None:
    client = CustomerClient(chat.url, "ann")
    for content, code in ((" \n", ErrorCode.BAD_REQUEST), ("x" * 4001, ErrorCode.TOO_LARGE)):
        with pytest.raises(Refused) as caught:
            client.post_message("c1", content)
        assert caught.value.code is code


async def test_refused_join_raises_and_is_not_repeated(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    with pytest.raises(Refused):
        await ann.client.join_conversation("forbidden")
    chat.cut()
    await ann.wait_for(lambda heard: heard.states.count("connected") == 2)
    await chat.heard("join_conversation", 3)
    assert chat.of("join_conversation").count("forbidden") == 1


async def test_left_conversation_is_not_joined_again(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    await ann.client.leave_conversation("c1")
    await chat.heard("leave_conversation")
    chat.cut()
    await ann.wait_for(lambda heard: heard.states.count("connected") == 2)
    await ann.client.mark_read("c1", 1)
    assert len(chat.of("join_conversation")) == 1


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket"), ("websocket",)])
async def test_every_transport_carries_a_conversation(chat: ChatServer, transports: tuple[str, ...]) -> None:
    ann = Listener.customer(chat.url, "ann", ClientOptions(transports=transports))  # type: ignore[arg-type]  # parameters are plain strings
    await ann.client.connect()
    await ann.client.join_conversation("c1")
    await ann.client.send_message("c1", "hello")
    assert await ann.wait_messages(1) == ["hello"]
    chat.cut()
    await chat.say("c1", "meanwhile")
    assert await ann.wait_messages(2) == ["hello", "meanwhile"]
    await ann.client.disconnect()


async def test_nothing_is_left_behind_after_many_reconnections(chat: ChatServer, ann: Listener[CustomerClient]) -> None:
    before = client_tasks()
    for count in range(2, 6):
        chat.cut()
        await ann.wait_for(lambda heard, count=count: heard.states.count("connected") == count)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        await ann.client.send_message("c1", "still here")
    assert client_tasks() == before
    assert len(engineio.base_client.connected_clients) == 1
    await ann.client.disconnect()
    assert client_tasks() == []
    assert engineio.base_client.connected_clients == []


def client_tasks() -> list[str]:
    """Names of the coroutines that belong to clients, not to the test's server."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    files = [(coro.__qualname__, coro.cr_code.co_filename) for coro in coroutines if isinstance(coro, CoroutineType)]
    return sorted(name for name, file in files if "chatws/client" in file or "async_client" in file)


async def test_server_with_a_certificate_of_our_own_is_trusted_by_its_file_only(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl = require_tool("openssl", "apt install openssl")
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, [*request, *names], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    chat = ChatServer()
    await chat.start(tls)
    url = f"https://127.0.0.1:{chat.port}"
    with pytest.raises(CannotConnect, match="CERTIFICATE_VERIFY_FAILED"):
        await CustomerClient(url, "ann").connect()
    async with CustomerClient(url, "ann", options=ClientOptions(ca_file=certificate)) as client:
        await client.join_conversation("c1")
        assert (await client.send_message("c1", "in private")).seq == 1
    await chat.stop()


async def test_missing_certificates_fail_before_any_connection(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        CustomerClient("https://127.0.0.1:1", "ann", options=ClientOptions(ca_file=tmp_path / "absent.pem"))
