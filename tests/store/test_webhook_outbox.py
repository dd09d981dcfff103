"""Outbox of the webhook: which events are stored, in which order they are claimed, and by whom."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest

from chatws.protocol.entities import Message
from chatws.protocol.webhooks import ConversationChange, WebhookKind
from chatws.store import Draft, IdempotencyConflict, StaleVersion, Store, retention
from chatws.store.factory import make_database, make_store
from chatws.store.outbox import Delivery
from chatws.store.sql_store import Database
from tests.store.support import AGENT, ANN, BEN, BOT, SingleBatch, StoreClock, new_conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ALL_KINDS = frozenset[WebhookKind](get_args(WebhookKind))
LEASE_MS = 10_000


@pytest.fixture
async def store(url: str, clock: StoreClock) -> AsyncIterator[Store]:
    """Open a server store of each backend that records all kinds of events."""
    created = make_store(url, server=True, clock_ms=clock, webhook_kinds=ALL_KINDS)
    await created.open()
    yield created
    await created.close()


@pytest.fixture
async def lasting_store(lasting_url: str, clock: StoreClock) -> AsyncIterator[Store]:
    """Open a server store that a command can open too; it records all kinds of events."""
    created = make_store(lasting_url, server=True, clock_ms=clock, webhook_kinds=ALL_KINDS)
    await created.open()
    yield created
    await created.close()


@pytest.fixture
async def database(lasting_url: str, lasting_store: Store) -> AsyncIterator[Database]:
    """Open the database of the store as a command does."""
    del lasting_store  # it has created the database
    created = make_database(lasting_url, server=False)
    await created.open()
    yield created
    await created.close()


async def claim_one(store: Store) -> list[Delivery]:
    """Claim the events of the only conversation that has some."""
    (run,) = (await store.outbox.claim(5, LEASE_MS)).runs
    return run


async def test_message_and_changes_are_stored_in_order_with_their_content(store: Store) -> None:
    await store.ensure_user(AGENT)
    await store.create_conversation("room", ANN, "bot")
    first = await store.append(Draft("room", ANN, "hello", "c1"))
    await store.transition("room", version=1, status="queued", assignee_id=None, reason="asked " + "x" * 600)
    reply = await store.append(Draft("room", AGENT, "claims"))
    await store.transition("room", version=3, status="resolved", assignee_id=None)
    again = await store.append(Draft("room", ANN, "reopens"))
    bodies = [delivery.body for delivery in await claim_one(store)]
    assert [body.data for body in bodies if isinstance(body.data, Message)] == [
        first.message,
        reply.message,
        again.message,
    ]
    assert [body.type for body in bodies] == [
        "message.created",
        "conversation.handed_off",
        "conversation.updated",
        "message.created",
        "conversation.updated",
        "conversation.updated",
        "message.created",
        "conversation.updated",
    ]
    handed_off, queued, claimed, resolved, reopened = [
        body.data for body in bodies if isinstance(body.data, ConversationChange)
    ]
    assert (
        handed_off
        == queued
        == ConversationChange(
            conversation_id="room",
            version=2,
            status="queued",
            previous_status="bot",
            customer=ANN,
            assignee=None,
            reason=("asked " + "x" * 600)[:500],
        )
    )
    assert (claimed.previous_status, claimed.status, claimed.assignee, claimed.version) == (
        "queued",
        "assigned",
        AGENT,
        3,
    )
    assert (resolved.previous_status, resolved.status, resolved.version) == ("assigned", "resolved", 4)
    assert (reopened.previous_status, reopened.status, reopened.version) == ("resolved", "queued", 5)


async def test_only_configured_kinds_are_stored(url: str, clock: StoreClock) -> None:
    store = make_store(url, server=True, clock_ms=clock, webhook_kinds=frozenset({"conversation.handed_off"}))
    await store.open()
    await store.create_conversation("room", ANN, "bot")
    await store.append(Draft("room", ANN, "hello"))
    await store.transition("room", version=1, status="queued", assignee_id=None)
    await store.transition("room", version=2, status="resolved", assignee_id=None)
    assert [delivery.body.type for delivery in await claim_one(store)] == ["conversation.handed_off"]
    await store.close()


async def test_repeated_and_rejected_requests_store_no_event(store: Store) -> None:
    await new_conversation(store)
    await store.append(Draft("room", ANN, "hello", "c1"))
    assert (await store.append(Draft("room", ANN, "hello", "c1"))).duplicate
    with pytest.raises(IdempotencyConflict):
        await store.append(Draft("room", ANN, "other", "c1"))
    with pytest.raises(StaleVersion):
        await store.append(Draft("room", BOT, "late", expected_version=7))
    with pytest.raises(StaleVersion):
        await store.transition("room", version=7, status="resolved", assignee_id=None)
    assert [delivery.key.seq for delivery in await claim_one(store)] == [1]


async def test_messages_of_one_batch_store_one_event_each(store: Store, clock: StoreClock) -> None:
    await new_conversation(store)
    async with SingleBatch(store, clock, "room"):
        texts = [f"text {number}" for number in range(5)]
        sends = [
            asyncio.create_task(store.append(Draft("room", ANN, text, f"c-{text}"))) for text in (*texts, texts[0])
        ]
    await asyncio.gather(*sends)
    run = await claim_one(store)
    assert [delivery.key.seq for delivery in run] == [1, 2, 3, 4, 5, 6]
    assert [delivery.body.data.content for delivery in run[1:] if isinstance(delivery.body.data, Message)] == texts
    assert len({delivery.event_id for delivery in run}) == len(run)


async def test_claimed_conversation_is_not_claimed_again_until_the_lease_ends(store: Store, clock: StoreClock) -> None:
    await new_conversation(store)
    for number in range(25):
        await store.append(Draft("room", ANN, f"{number}"))
    run = await claim_one(store)
    assert [delivery.key.seq for delivery in run] == list(range(1, 21))
    await store.append(Draft("room", ANN, "new"))
    assert (await store.outbox.claim(5, LEASE_MS)).runs == []
    clock.now_ms += LEASE_MS
    assert await claim_one(store) == run
    for delivery in run:
        await store.outbox.complete(delivery.key, ends_run=delivery is run[-1])
    assert [delivery.key.seq for delivery in await claim_one(store)] == [21, 22, 23, 24, 25, 26]


async def test_event_is_never_claimed_before_an_earlier_one_of_its_conversation(
    store: Store, clock: StoreClock
) -> None:
    await new_conversation(store)
    await store.append(Draft("room", ANN, "first"))
    (first,) = await claim_one(store)
    await store.outbox.postpone(first.key, 60_000)
    await store.append(Draft("room", ANN, "second"))
    assert (await store.outbox.claim(5, LEASE_MS)).runs == []
    clock.now_ms += 60_000
    run = await claim_one(store)
    assert [(delivery.key.seq, delivery.attempts) for delivery in run] == [(1, 1), (2, 0)]
    assert run[0].event_id == first.event_id


async def test_failing_conversation_does_not_delay_others(store: Store, clock: StoreClock) -> None:
    await new_conversation(store)
    await store.create_conversation("other", BEN, "queued")
    await store.append(Draft("room", ANN, "fails"))
    (failing,) = await claim_one(store)
    await store.outbox.postpone(failing.key, 60_000)
    await asyncio.gather(*(store.append(Draft("room", ANN, f"waits {number}")) for number in range(600)))
    clock.now_ms += 1
    await store.append(Draft("other", BEN, "hello"))
    looks = 1
    while not (claimed := await store.outbox.claim(5, LEASE_MS)).runs:
        assert not claimed.is_complete
        looks += 1
    assert claimed.runs[0][0].key.conversation_id == "other"
    assert looks == 2
    assert await store.outbox.claim(5, LEASE_MS) == ([], True)


async def test_expired_events_are_deleted_and_the_rest_is_kept(store: Store, clock: StoreClock) -> None:
    await new_conversation(store)
    await store.append(Draft("room", ANN, "old"))
    clock.now_ms += 5_000
    await store.append(Draft("room", ANN, "new"))
    assert await store.outbox.oldest_age_ms() == 5_000
    assert await store.outbox.expire(4_000) == 1
    assert await store.outbox.expire(4_000) == 0
    assert [delivery.key.seq for delivery in await claim_one(store)] == [2]
    assert await store.outbox.oldest_age_ms() == 0


async def test_two_servers_never_claim_the_same_conversation(emptied_url: str) -> None:
    stores = [make_store(emptied_url, server=True, webhook_kinds=ALL_KINDS) for _ in range(2)]
    for store in stores:
        await store.open()
    rooms = [f"room-{number}" for number in range(40)]
    for room in rooms:
        await stores[0].create_conversation(room, ANN, "queued")
    await asyncio.gather(*(stores[0].append(Draft(room, ANN, "hello")) for room in rooms for _ in range(3)))
    claims = await asyncio.gather(*(store.outbox.claim(4, 60_000) for store in stores * 8))
    claimed = [run[0].key.conversation_id for found in claims for run in found.runs]
    assert len(claimed) == len(set(claimed))
    while (found := await stores[0].outbox.claim(50, 60_000)).runs:
        claimed += [run[0].key.conversation_id for run in found.runs]
    assert sorted(claimed) == sorted(rooms)
    for store in stores:
        await store.close()


async def test_two_servers_send_a_backlog_in_order_without_repetitions(emptied_url: str) -> None:
    stores = [make_store(emptied_url, server=True, webhook_kinds=ALL_KINDS) for _ in range(2)]
    for store in stores:
        await store.open()
    rooms = [f"room-{number}" for number in range(8)]
    for room in rooms:
        await stores[0].create_conversation(room, ANN, "queued")
    await asyncio.gather(*(stores[0].append(Draft(room, ANN, "hello")) for _ in range(22) for room in rooms))
    sent: list[tuple[str, int]] = []

    async def send(store: Store, run: list[Delivery]) -> None:
        for delivery in run:
            sent.append((delivery.key.conversation_id, delivery.key.seq))
            await store.outbox.complete(delivery.key, ends_run=delivery is run[-1])

    async def work(store: Store) -> None:
        while len(sent) < 22 * len(rooms):
            claimed = await store.outbox.claim(4, 60_000)
            await asyncio.gather(*(send(store, run) for run in claimed.runs))

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(store) for store in stores for _ in range(2)))
    assert {room: [seq for name, seq in sent if name == room] for room in rooms} == {
        room: list(range(1, 23)) for room in rooms
    }
    for store in stores:
        await store.close()


async def test_claims_of_a_killed_server_end_at_the_next_start_on_sqlite_only(
    lasting_url: str, lasting_store: Store
) -> None:
    store = lasting_store
    await new_conversation(store)
    await store.append(Draft("room", ANN, "hello"))
    await claim_one(store)
    await store.outbox.recover()
    claimed = (await store.outbox.claim(5, LEASE_MS)).runs
    assert len(claimed) == (1 if lasting_url.startswith("sqlite") else 0)


async def test_retention_deletes_the_events_of_a_conversation(
    lasting_store: Store, database: Database, clock: StoreClock
) -> None:
    store = lasting_store
    await new_conversation(store)
    await store.append(Draft("room", ANN, "hello"))
    await store.transition("room", version=1, status="resolved", assignee_id=None)
    assert (await retention.prune(database, clock.now_ms + 1)).conversations == 1
    assert (await store.outbox.claim(5, LEASE_MS)).runs == []


async def test_erased_content_is_not_sent(lasting_store: Store, database: Database, clock: StoreClock) -> None:
    store = lasting_store
    await store.create_conversation("room", ANN, "bot")
    await store.append(Draft("room", ANN, "my address"))
    await store.transition("room", version=1, status="queued", assignee_id=None, reason="my name")
    await retention.erase(database, ANN.user_id, clock.now_ms, notice_s=0)
    sent = msgspec.json.encode([delivery.body for delivery in await claim_one(store)]).decode()
    assert "[erased]" in sent
    assert not any(text in sent for text in ("my address", "my name", ANN.user_name))
