from __future__ import annotations

import asyncio

import pytest

from chatws.client import (
    ClientOptions,
    ConnectionLost,
    ConversationReloaded,
    CustomerClient,
    Disconnected,
    Event,
    OutboxFull,
    RequestRefused,
)
from chatws.protocol.errors import ErrorCode
from tests.client.chat_server import ChatServer, refusal
from tests.client.recording_listener import RecordingListener


async def test_message_is_acked_and_echoed_as_own(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    ack = await ann.client.send_message("c1", "hello")
    await chat.post("c1", "good morning")
    assert await ann.wait_messages(2) == ["hello", "good morning"]
    assert ack.seq == 1
    assert [message.own for message in ann.messages] == [True, False]


async def test_messages_posted_while_the_server_is_down_arrive_once_and_in_order(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    await ann.client.send_message("c1", "first")
    await chat.kill()
    await ann.wait_for(lambda listener: "reconnecting" in listener.states)
    pending = [ann.client.post_message("c1", text) for text in ("second", "third")]
    assert [message.state for message in pending] == ["queued", "queued"]
    await chat.post("c1", "posted meanwhile")
    await chat.start()
    acks = [await message.done for message in pending]
    assert await ann.wait_messages(4) == ["first", "posted meanwhile", "second", "third"]
    assert [ack.seq for ack in acks] == [3, 4]
    assert [message.state for message in pending] == ["stored", "stored"]
    names = [name for name, _ in chat.commands]
    assert names.index("send_message", 2) > names.index("join_conversation", 1)


async def test_lost_ack_leads_to_a_retry_with_the_same_id(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.acks_to_drop = 1
    pending = ann.client.post_message("c1", "once")
    await chat.wait_for("send_message")
    assert pending.state == "sent"
    chat.cut()
    ack = await pending.done
    assert ack.duplicate is True
    assert len(chat.messages["c1"]) == 1
    assert len({payload["clientMessageId"] for payload in await chat.wait_for("send_message", 2)}) == 1
    assert await ann.wait_messages(1) == ["once"]


async def test_outcome_is_unknown_only_of_a_message_that_was_sent_and_not_answered(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    stored = ann.client.post_message("c1", "stored")
    await stored.done
    chat.acks_to_drop = 1
    sent = ann.client.post_message("c1", "sent")
    await chat.wait_for("send_message", 2)
    queued = ann.client.post_message("c1", "waits for the ack before it")
    assert not sent.is_outcome_unknown
    await ann.client.disconnect()
    assert [handle.state for handle in (stored, sent, queued)] == ["stored", "failed", "failed"]
    assert [handle.is_outcome_unknown for handle in (stored, sent, queued)] == [False, True, False]


async def test_missed_messages_arrive_in_order_over_several_pages(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    await chat.kill()
    for number in range(23):
        await chat.post("c1", f"m{number}")
    await chat.start()
    assert await ann.wait_messages(23) == [f"m{number}" for number in range(23)]
    assert all(message.caught_up for message in ann.messages)


async def test_lost_broadcast_is_fetched_before_the_next_message_is_delivered(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.broadcasts_to_drop = 2
    for text in ("a", "b", "c"):
        await chat.post("c1", text)
    assert await ann.wait_messages(3) == ["a", "b", "c"]
    assert ann.client.stats().gaps_filled == 1


async def test_lost_last_message_is_detected_by_its_position(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.broadcasts_to_drop = 1
    await chat.post("c1", "not broadcast")
    await chat.emit_to_all("positions", {"c1": 1})
    assert await ann.wait_messages(1) == ["not broadcast"]


async def test_duplicate_broadcast_is_delivered_once(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    message = await chat.post("c1", "a")
    await chat.emit_to_all("message_received", message)
    await chat.post("c1", "b")
    assert await ann.wait_messages(2) == ["a", "b"]
    assert ann.client.stats().duplicates_dropped == 1


async def test_restored_database_reloads_the_conversation(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    for text in ("a", "b", "c"):
        await chat.post("c1", text)
    await ann.wait_messages(3)
    await chat.kill()
    chat.epoch, chat.messages["c1"] = "epoch-2", chat.messages["c1"][:1]
    await chat.start()
    await ann.wait_for(lambda listener: bool(listener.of(Event.CONVERSATION_RELOADED)))
    await chat.post("c1", "after the restore")
    assert await ann.wait_messages(4) == ["a", "b", "c", "after the restore"]
    (reloaded,) = ann.of(Event.CONVERSATION_RELOADED)
    assert isinstance(reloaded, ConversationReloaded)
    assert [message.content for message in reloaded.messages] == ["a"]


async def test_rate_limited_message_is_retried_and_not_overtaken(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.send_refusals = [refusal("rate_limited", retryable=True, retry_after_ms=20)] * 2
    pending = [ann.client.post_message("c1", text) for text in ("a", "b")]
    await asyncio.gather(*(message.done for message in pending))
    assert [message["content"] for message in chat.messages["c1"]] == ["a", "b"]


async def test_finally_refused_message_fails_and_the_next_one_is_sent(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.send_refusals = [refusal("forbidden", retryable=False)]
    bad, good = (ann.client.post_message("c1", text) for text in ("a", "b"))
    with pytest.raises(RequestRefused) as caught:
        await bad.done
    await good.done
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert (bad.state, good.state) == ("failed", "stored")


async def test_pending_messages_fail_when_the_user_disconnects(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    chat.acks_to_drop = 1
    pending = [ann.client.post_message("c1", text) for text in ("a", "b")]
    await chat.wait_for("send_message")
    await ann.client.disconnect()
    for message in pending:
        with pytest.raises(Disconnected):
            await message.done
    with pytest.raises(Disconnected):
        await ann.client.send_message("c1", "too late")
    assert ann.states[-1] == "disconnected"


async def test_connect_after_disconnect_continues_at_the_position(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    await ann.client.disconnect()
    await chat.post("c1", "meanwhile")
    await ann.client.connect()
    assert await ann.wait_messages(1) == ["meanwhile"]


async def test_claim_lost_in_flight_is_reported_and_not_retried(chat: ChatServer) -> None:
    agent = RecordingListener.agent(chat.url, "t")
    await agent.client.connect()
    with pytest.raises(RequestRefused) as caught:
        await agent.client.claim_conversation("c1", 7)
    assert caught.value.conversation is not None
    assert caught.value.conversation.version == 1
    await chat.kill()
    await agent.wait_for(lambda listener: "reconnecting" in listener.states)
    with pytest.raises(ConnectionLost):
        await agent.client.claim_conversation("c1", 1)
    await agent.client.disconnect()


async def test_presence_and_inbox_are_sent_again_on_a_new_connection(chat: ChatServer) -> None:
    agent = RecordingListener.agent(chat.url, "t")
    await agent.client.connect()
    await agent.client.set_presence("busy")
    await agent.client.subscribe_inbox(status="queued")
    chat.cut()
    assert (await chat.wait_for("set_presence", 2))[1] == {"status": "busy"}
    assert (await chat.wait_for("subscribe_inbox", 2))[1] == {"status": "queued"}
    await agent.wait_for(lambda listener: len(listener.of(Event.INBOX_LOADED)) == 2)
    await agent.client.disconnect()


async def test_typing_of_others_ends_with_the_connection_and_is_restored_by_the_snapshot(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    typing = {"conversationId": "c1", "userId": "agent-1", "userName": "Agent", "isTyping": True}
    await chat.emit_to_all("typing_indicator", typing)
    await ann.wait_for(lambda listener: len(listener.of(Event.TYPING_INDICATOR)) == 1)
    chat.typing = ["agent-1"]
    chat.cut()
    await ann.wait_for(lambda listener: len(listener.of(Event.TYPING_INDICATOR)) == 3)
    assert [getattr(event, "is_typing", None) for event in ann.of(Event.TYPING_INDICATOR)] == [True, False, True]


async def test_own_typing_is_sent_once_for_many_key_strokes(
    chat: ChatServer, ann: RecordingListener[CustomerClient]
) -> None:
    for _ in range(20):
        await ann.client.send_typing_start("c1")
    await ann.client.send_typing_stop("c1")
    await ann.client.send_typing_stop("c1")
    await ann.client.mark_read("c1", 0)
    assert [name for name, _ in chat.commands[1:]] == ["typing_start", "typing_stop", "mark_read"]


async def test_failing_callback_does_not_stop_the_others(
    chat: ChatServer, ann: RecordingListener[CustomerClient], caplog: pytest.LogCaptureFixture
) -> None:
    received = []

    async def keep(message: object) -> None:
        await asyncio.sleep(0)
        received.append(message)

    def fail(_: object) -> None:
        raise RuntimeError

    ann.client.on_message_received(fail)
    stop = ann.client.on_message_received(keep)
    await chat.post("c1", "a")
    await chat.post("c1", "b")
    await ann.wait_for(lambda _: len(received) == 2)
    assert [record.message for record in caplog.records] == ["callback_failed"] * 2
    stop()
    await chat.post("c1", "c")
    await ann.wait_messages(3)
    assert len(received) == 2


async def test_callback_may_disconnect_the_client(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    ended = asyncio.Event()

    async def leave(_: object) -> None:
        await ann.client.disconnect()
        ended.set()

    ann.client.on_message_received(leave)
    await chat.post("c1", "a")
    await asyncio.wait_for(ended.wait(), 30)


async def test_slow_callbacks_keep_the_backlog_bounded_and_lose_nothing(chat: ChatServer) -> None:
    ann = RecordingListener.customer(chat.url, "ann", ClientOptions(max_backlog=10))
    await ann.client.connect()
    await ann.client.join_conversation("c1")
    unblock = asyncio.Event()

    async def wait(_: object) -> None:
        await unblock.wait()

    ann.client.on_message_received(wait)
    for number in range(40):
        await chat.post("c1", f"m{number}")
    await chat.emit_to_all("notification", {})
    await asyncio.wait_for(chat.emptied.wait(), 30)
    assert len(chat.auths) == 1, "reconnected before the callbacks had run"
    unblock.set()
    assert await ann.wait_messages(40) == [f"m{number}" for number in range(40)]
    assert ann.client.stats().reconnects >= 1
    await ann.client.disconnect()


async def test_full_outbox_rejects_messages(chat: ChatServer) -> None:
    client = CustomerClient(chat.url, "ann", options=ClientOptions(max_outbox=2))
    client.post_message("c1", "a")
    client.post_message("c1", "b")
    with pytest.raises(OutboxFull):
        client.post_message("c1", "c")
    await client.connect()
    await client.join_conversation("c1")
    assert (await client.send_message("c1", "c")).seq == 3
    await client.disconnect()


async def test_invalid_content_is_refused_at_once(chat: ChatServer) -> None:
    client = CustomerClient(chat.url, "ann")
    for content, code in ((" \n", ErrorCode.BAD_REQUEST), ("x" * 4001, ErrorCode.TOO_LARGE)):
        with pytest.raises(RequestRefused) as caught:
            client.post_message("c1", content)
        assert caught.value.code is code


async def test_refused_join_raises_and_is_not_retried(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    with pytest.raises(RequestRefused):
        await ann.client.join_conversation("forbidden")
    chat.cut()
    await ann.wait_for(lambda listener: listener.states.count("connected") == 2)
    await chat.wait_for("join_conversation", 3)
    assert chat.of("join_conversation").count("forbidden") == 1


async def test_left_conversation_is_not_joined_again(chat: ChatServer, ann: RecordingListener[CustomerClient]) -> None:
    await ann.client.leave_conversation("c1")
    await chat.wait_for("leave_conversation")
    chat.cut()
    await ann.wait_for(lambda listener: listener.states.count("connected") == 2)
    await ann.client.mark_read("c1", 1)
    assert len(chat.of("join_conversation")) == 1
