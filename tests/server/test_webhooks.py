"""Webhook: signed events in order per conversation, to a receiver that fails, hangs or is down, and across kill -9."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chatws.bots.internal_addresses import InternalAddresses
from chatws.protocol.webhook_signature import WebhookSigner
from chatws.server import create_app
from chatws.server.errors import StartError
from chatws.server.webhooks.endpoint import WebhookEndpoint
from chatws.server.webhooks.secret import SECRET_FILE, SECRET_VARIABLE
from chatws.server.webhooks.sender import retry_delay_s
from chatws.settings import Settings
from tests.conftest import StartServer
from tests.server.conftest import StartChat
from tests.support.chat import RunningChat, until
from tests.support.peer import Peer
from tests.support.postgres import PostgresServer
from tests.support.server import ServerProcess, SessionBody
from tests.support.webhooks import ReceivedWebhook, WebhookReceiver, sequences

ROOMS = [f"room-{number}" for number in range(4)]


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver() as receiver:
        yield receiver


async def join(chat: RunningChat, conversation_id: str) -> Peer:
    """Connect a customer who creates a conversation."""
    customer = await chat.customer(f"session-of-{conversation_id}")
    assert (await customer.call("join_conversation", conversation_id))["success"]
    return customer


async def send(peer: Peer, conversation_id: str, *texts: str) -> None:
    for text in texts:
        answer = await peer.call("send_message", {"conversationId": conversation_id, "content": text})
        assert answer["success"]


async def test_message_is_sent_signed_as_standard_webhooks_define(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    chat = await start_chat(webhook_url=receiver.url)
    customer = await join(chat, "room")
    await send(customer, "room", "Grüß Gott")
    delivered = await customer.expect("message_received")
    (event,) = await receiver.wait_for(1)
    secret_file = chat.settings.data_dir / SECRET_FILE
    assert event.is_signed_with(secret_file.read_text().strip())
    assert secret_file.stat().st_mode & 0o077 == 0
    assert abs(int(event.headers["webhook-timestamp"]) - chat.clock.now_ms() / 1000) < 60
    assert event.headers["Content-Type"] == "application/json"
    assert event.body == {"type": "message.created", "timestamp": delivered["timestamp"], "data": delivered}


async def test_secret_of_the_variable_takes_precedence_and_two_secrets_sign_both(
    start_chat: StartChat, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "whsec_" + "a" * 32, "whsec_" + "b" * 32
    monkeypatch.setenv(SECRET_VARIABLE, f"{new} {old}")
    chat = await start_chat(webhook_url=receiver.url)
    await send(await join(chat, "room"), "room", "hello")
    (event,) = await receiver.wait_for(1)
    assert event.is_signed_with(old)
    assert event.is_signed_with(new)
    assert not (chat.settings.data_dir / SECRET_FILE).exists()


async def test_hand_off_claim_and_resolution_are_sent_in_order(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    chat = await start_chat(
        bot="echo", webhook_url=receiver.url, webhook_events=("conversation.handed_off", "conversation.updated")
    )
    customer, agent = await join(chat, "room"), await chat.agent()
    await customer.call("handoff", {"conversationId": "room", "reason": "wants a refund"})
    await agent.call("claim_conversation", {"conversationId": "room", "version": 2})
    await agent.call("resolve_conversation", {"conversationId": "room", "version": 3})
    bodies = [event.body for event in await receiver.wait_for(4)]
    shown = [(body["type"], body["data"]["previousStatus"], body["data"]["status"]) for body in bodies]
    assert shown == [
        ("conversation.handed_off", "bot", "queued"),
        ("conversation.updated", "bot", "queued"),
        ("conversation.updated", "queued", "assigned"),
        ("conversation.updated", "assigned", "resolved"),
    ]
    assert bodies[0]["data"]["reason"] == "wants a refund"
    assert bodies[0]["data"]["customer"]["role"] == "customer"
    assert bodies[2]["data"]["assignee"]["userId"] == "agent-1"
    assert bodies[3]["data"]["assignee"] is None


async def test_rejected_event_is_repeated_with_its_id_before_later_ones(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    chat = await start_chat(webhook_url=receiver.url)
    receiver.failing["room-0"] = 500
    first, second = await join(chat, "room-0"), await join(chat, "room-1")
    await send(first, "room-0", "a", "b", "c")
    await receiver.wait_for_failures(1)
    await send(second, "room-1", "a", "b")
    assert sequences(await receiver.wait_for(2)) == {"room-1": [1, 2]}
    receiver.failing.clear()
    assert sequences(await receiver.wait_for(5)) == {"room-1": [1, 2], "room-0": [1, 2, 3]}
    failed = [event for event in receiver.received if event.status == 500]
    assert {event.event_id for event in failed} == {receiver.accepted[2].event_id}
    await until(lambda: attempts(chat, "delivered") == 5)
    assert attempts(chat, "rejected") == len(failed)


async def test_hanging_receiver_is_given_up_after_the_time_limit(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    chat = await start_chat(webhook_url=receiver.url, webhook_timeout_ms=200)
    receiver.may_answer.clear()
    customer = await join(chat, "room")
    await send(customer, "room", "a", "b")
    await receiver.wait_for_requests(1)
    await until(lambda: attempts(chat, "timeout"))
    receiver.may_answer.set()
    await until(lambda: 2 in sequences(receiver.accepted).get("room", []))
    # On a busy machine a later attempt may exceed the time limit as well: then its event arrives again.
    assert sorted(sequences(receiver.accepted)["room"]) == sequences(receiver.accepted)["room"]
    assert len({event.event_id for event in receiver.accepted}) == 2


async def test_at_most_sixteen_requests_are_open_one_for_each_conversation(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    chat = await start_chat(webhook_url=receiver.url, webhook_timeout_ms=60_000, limits="off")
    receiver.may_answer.clear()
    for number in range(20):
        await send(await join(chat, f"room-{number}"), f"room-{number}", "a", "b")
    await receiver.wait_for_requests(16)
    receiver.may_answer.set()
    assert set(map(tuple, sequences(await receiver.wait_for(40)).values())) == {(1, 2)}
    assert receiver.max_open_requests == 16


async def test_events_of_a_receiver_that_was_down_arrive_after_its_return(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    await receiver.vanish()
    chat = await start_chat(webhook_url=receiver.url)
    await send(await join(chat, "room"), "room", "a", "b")
    await until(lambda: attempts(chat, "unreachable"))
    await receiver.listen()
    assert sequences(await receiver.wait_for(2)) == {"room": [1, 2]}


@pytest.mark.parametrize(
    ("failures", "retry_after_s", "least_s", "most_s"),
    [(0, 0, 0.5, 1), (3, 0, 4, 8), (9, 0, 150, 300), (10**6, 0, 150, 300), (0, 20, 20, 20), (0, 10**9, 300, 300)],
)
def test_delay_doubles_up_to_five_minutes_and_obeys_the_receiver(
    failures: int, retry_after_s: int, least_s: float, most_s: float
) -> None:
    delays = {retry_delay_s(failures, retry_after_s) for _ in range(200)}
    assert least_s <= min(delays) <= max(delays) <= most_s
    assert len(delays) > 1 or retry_after_s


async def test_receiver_can_ask_for_a_later_retry(start_chat: StartChat, receiver: WebhookReceiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "100"}
    chat = await start_chat(webhook_url=receiver.url)
    await send(await join(chat, "room"), "room", "a")
    await until(lambda: attempts(chat, "rejected"))
    receiver.status = 204
    chat.clock.advance(90)
    await send(await join(chat, "other"), "other", "b")
    assert sequences(await receiver.wait_for(1)) == {"other": [1]}
    chat.clock.advance(10)
    assert sequences(await receiver.wait_for(2)) == {"other": [1], "room": [1]}


async def test_redirect_is_not_followed(start_chat: StartChat, receiver: WebhookReceiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    chat = await start_chat(webhook_url=receiver.url)
    await send(await join(chat, "room"), "room", "a")
    await until(lambda: attempts(chat, "rejected"))
    assert len(receiver.received) == 1


async def test_event_is_given_up_at_its_age_limit_logged_and_counted(
    start_chat: StartChat, receiver: WebhookReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    caplog.set_level(logging.WARNING, "chatws.webhooks")
    chat = await start_chat(webhook_url=receiver.url, webhook_max_age_s=1)
    await send(await join(chat, "room"), "room", "confidential")
    await until(lambda: chat.parts.metrics.registry.get_sample_value("chatws_webhook_given_up_total"))
    events = [record.getMessage() for record in caplog.records]
    assert events[0] == "webhook_failed"
    assert events[-1] == "webhook_given_up"
    assert "confidential" not in caplog.text
    assert await chat.parts.store.outbox.oldest_age_ms() == 0


async def test_graceful_stop_leaves_the_other_events_for_the_next_start(
    start_chat: StartChat, receiver: WebhookReceiver
) -> None:
    receiver.may_answer.clear()
    chat = await start_chat(webhook_url=receiver.url, webhook_timeout_ms=60_000)
    await send(await join(chat, "room"), "room", "a", "b", "c")
    await receiver.wait_for_requests(1)
    stopping = asyncio.create_task(chat.stop())
    sender = chat.parts.webhooks
    await until(lambda: sender is not None and sender._is_closing)
    receiver.may_answer.set()
    await stopping
    assert sequences(receiver.accepted) == {"room": [1]}
    await start_chat(webhook_url=receiver.url)
    assert sequences(await receiver.wait_for(3)) == {"room": [1, 2, 3]}


async def test_server_killed_between_storing_and_sending_loses_nothing(
    start_server: StartServer, receiver: WebhookReceiver
) -> None:
    receiver.may_answer.clear()
    options = {"webhook_url": receiver.url, "webhook_timeout_ms": "60000"}
    assignments = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    server = await asyncio.to_thread(start_server, *assignments)
    sessions = [await asyncio.to_thread(server.new_session) for _ in range(4)]
    async with aiohttp.ClientSession() as http:
        for session in sessions * 5:
            await post(http, server, session)
        await receiver.wait_for_requests(len(sessions))
        await asyncio.to_thread(server.kill)
        receiver.may_answer.set()
        await asyncio.to_thread(server.start)
        for session in sessions:
            await post(http, server, session)
    expected = {session["conversationId"]: [1, 2, 3, 4, 5, 6] for session in sessions}
    assert sequences(await receiver.wait_for(24)) == expected
    secret = (server.data_dir / SECRET_FILE).read_text().strip()
    assert all(event.is_signed_with(secret) for event in receiver.accepted)


async def test_second_server_goes_on_with_the_events_of_one_killed_with_kill_9(
    start_server: StartServer, receiver: WebhookReceiver, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Needs 10 s, nearly all of them idle: the claims of the killed server last 8 s."""
    url = await asyncio.to_thread(postgres.new_database)
    values = [f"webhook_url={receiver.url}", "webhook_takeover_ms=4000", "webhook_timeout_ms=4000"]
    options = ["--database-url", url, *(word for value in values for word in ("--set", value))]
    first, second = [await asyncio.to_thread(start_server, *options, data_dir=tmp_path / "shared") for _ in range(2)]
    sessions = [await asyncio.to_thread(first.new_session) for _ in range(4)]
    async with aiohttp.ClientSession() as http:
        for session in sessions * 2:
            await post(http, first, session)
        await receiver.wait_for(8)
        os.kill(second.pid, signal.SIGSTOP)  # so that the first server claims all that follows
        receiver.may_answer.clear()
        for session in sessions * 3:
            await post(http, first, session)
        await receiver.wait_for_requests(len(sessions))
        await asyncio.to_thread(first.kill)
        os.kill(second.pid, signal.SIGCONT)
        receiver.may_answer.set()
        for session in sessions:
            await post(http, second, session)
    expected = {session["conversationId"]: [1, 2, 3, 4, 5, 6] for session in sessions}
    await until(lambda: sequences(unique(receiver.accepted)) == expected)
    # Only an event that was accepted, but not yet deleted, may arrive twice, and before any later one.
    arrived = sequences(receiver.accepted)
    assert {room: sorted(numbers) for room, numbers in arrived.items()} == arrived
    secret = (tmp_path / "shared" / SECRET_FILE).read_text().strip()
    assert all(event.is_signed_with(secret) for event in receiver.accepted)


async def test_two_servers_of_one_database_send_each_event_once(
    start_chat: StartChat, receiver: WebhookReceiver, database_url: str, tmp_path: Path
) -> None:
    chats = [
        await start_chat(tmp_path / "data", database_url=database_url, webhook_url=receiver.url, limits="off")
        for _ in range(2)
    ]
    texts = [f"text {number}" for number in range(8)]
    customers = [await join(chats[number % 2], room) for number, room in enumerate(ROOMS)]
    await asyncio.gather(*(send(*pair, *texts) for pair in zip(customers, ROOMS, strict=True)))
    found = sequences(await receiver.wait_for(len(texts) * len(ROOMS)))
    assert found == {room: list(range(1, len(texts) + 1)) for room in ROOMS}


async def test_other_server_goes_on_with_the_events_of_one_that_froze(
    start_chat: StartChat, receiver: WebhookReceiver, database_url: str, tmp_path: Path
) -> None:
    receiver.may_answer.clear()
    first, second = [
        await start_chat(tmp_path / "data", database_url=database_url, webhook_url=receiver.url) for _ in range(2)
    ]
    await send(await join(first, "room"), "room", "a", "b")
    await receiver.wait_for_requests(1)
    second.clock.advance(60)  # beyond the end of the first server's claim
    await receiver.wait_for_requests(2)
    receiver.may_answer.set()
    await until(lambda: sequences(receiver.accepted).get("room", [])[-1:] == [2])
    ids = [event.event_id for event in receiver.accepted if event.body["data"]["seq"] == 1]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "https://localhost/hook", "http://169.254.169.254/"])
def test_internal_address_is_refused_in_production(tmp_path: Path, url: str) -> None:
    settings: dict[str, Any] = {"mode": "prod", "data_dir": tmp_path, "webhook_url": url}
    with pytest.raises(StartError, match="internal address"):
        create_app(Settings(**settings))
    create_app(Settings(**settings, internal_addresses=("127.0.0.1", "169.254.169.254", "::1")))


async def test_name_of_an_internal_address_is_refused_at_each_connection(receiver: WebhookReceiver) -> None:
    url = f"http://localhost:{receiver.port}/hook"
    for internal, outcome in (
        (InternalAddresses(()), "unreachable"),
        (InternalAddresses(("127.0.0.0/8",)), "delivered"),
    ):
        endpoint = WebhookEndpoint(url, WebhookSigner([b"k" * 24]), timeout_s=10, refused=internal)
        attempt = await endpoint.post("id", b'{"type": "test", "data": {"conversationId": "room"}}', unix_s=1)
        assert attempt.outcome == outcome, attempt
        await endpoint.close()
    assert len(receiver.received) == 1


def test_malformed_url_and_secret_prevent_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="not an http or https URL"):
        create_app(Settings(data_dir=tmp_path, webhook_url="example.org/hook"))
    monkeypatch.setenv(SECRET_VARIABLE, "confidential")
    with pytest.raises(StartError, match="whsec_") as caught:
        create_app(Settings(data_dir=tmp_path, webhook_url="https://example.org/hook"))
    assert "confidential" not in str(caught.value)


def attempts(chat: RunningChat, outcome: str) -> float:
    """Return the number of requests with this outcome, from the server's metrics."""
    labels = {"outcome": outcome}
    return chat.parts.metrics.registry.get_sample_value("chatws_webhook_attempts_total", labels) or 0


def unique(events: list[ReceivedWebhook]) -> list[ReceivedWebhook]:
    """Return each event once, as a receiver that knows their ids handles them."""
    return list({event.event_id: event for event in reversed(events)}.values())[::-1]


async def post(http: aiohttp.ClientSession, server: ServerProcess, session: SessionBody) -> None:
    """Send a message of a customer over REST."""
    url = f"{server.url}/api/conversations/{session['conversationId']}/messages"
    async with http.post(url, json={"content": "hello"}, headers={"X-Session-Id": session["sessionId"]}) as response:
        assert response.status == 200, await response.text()
