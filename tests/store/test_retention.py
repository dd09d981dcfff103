"""Prune and erase, run by a command while a server uses the same database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET

from chatws.store import Draft, NotFound, Store, retention
from chatws.store.factory import make_database, make_store
from chatws.store.queries.conversations import create
from chatws.store.queries.retention import MAX_CONVERSATIONS, Pruned
from tests.store.support import AGENT, ANN, BEN, START_MS, StoreClock, all_messages, new_conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chatws.store.sql_store import Database

LATER_MS = START_MS + 1_000


@asynccontextmanager
async def both_opened(url: str, clock: StoreClock) -> AsyncIterator[tuple[Store, Database]]:
    """Open a server store, and the database of a command."""
    store, database = make_store(url, server=True, clock_ms=clock), make_database(url, server=False)
    await store.open()
    await database.open()
    yield store, database
    await database.close()
    await store.close()


async def resolve(store: Store, conversation_id: str) -> None:
    """Resolve a conversation at version 1."""
    await store.transition(conversation_id, version=1, status="resolved", assignee_id=None)


async def test_prune_deletes_only_old_resolved_conversations_completely(lasting_url: str, clock: StoreClock) -> None:
    async with both_opened(lasting_url, clock) as (store, database):
        for name in ("old", "old-open", "new"):
            await store.create_conversation(name, ANN, "queued")
            for number in range(3):
                await store.append(Draft(name, ANN, f"{number}", f"{name}-{number}"))
            await store.mark_read(name, "agent", 2)
            await store.add_note(f"note-{name}", name, AGENT, "note")
        await resolve(store, "old")
        clock.now_ms = LATER_MS
        await resolve(store, "new")

        counted = await retention.count_old(database, LATER_MS)
        assert await store.conversation("old") is not None
        assert await retention.prune(database, LATER_MS) == counted == Pruned(conversations=1, messages=3)
        assert await store.conversation("old") is None
        for name in ("old-open", "new"):
            assert [message.seq for message in await all_messages(store, name)] == [1, 2, 3]
            assert [mark.seq for mark in await store.read_marks(name)] == [2]
            assert [note.note_id for note in await store.notes(name)] == [f"note-{name}"]
        assert await store.notes("old") == []
        with pytest.raises(NotFound):
            await store.append(Draft("old", ANN, "late"))
        assert await retention.prune(database, LATER_MS) == Pruned()


async def test_prune_deletes_ended_sessions_and_customers_without_data(lasting_url: str, clock: StoreClock) -> None:
    async with both_opened(lasting_url, clock) as (store, database):
        await store.ensure_user(AGENT)
        await store.create_session("ended", ANN, START_MS, "old", "queued")
        await store.create_session("alive", BEN, LATER_MS, "bens", "queued")
        for name in ("old", "bens"):
            await resolve(store, name)
        clock.now_ms = LATER_MS
        expected = Pruned(conversations=2, sessions=1, customers=1)
        assert await retention.count_old(database, LATER_MS) == expected
        assert await retention.prune(database, LATER_MS) == expected
        assert (await store.account("ann"), await store.session("ended")) == (None, None)
        assert await store.account("agent") is not None
        assert (session := await store.session("alive")) is not None
        assert (session.user, session.conversation_id) == (BEN, None)


async def test_prune_of_many_runs_in_batches_while_the_server_writes(lasting_url: str, clock: StoreClock) -> None:
    async with both_opened(lasting_url, clock) as (store, database):
        names = [f"room-{number}" for number in range(2 * MAX_CONVERSATIONS + 10)]
        await database.write(lambda connection: [create(connection, name, ANN, "resolved", START_MS) for name in names])
        clock.now_ms = LATER_MS
        await store.create_conversation("live", BEN, "queued")
        pruning = asyncio.create_task(retention.prune(database, LATER_MS))
        sent = 0
        while not pruning.done():
            await store.append(Draft("live", BEN, "meanwhile"))
            sent += 1
        assert (await pruning).conversations == len(names)
        assert [message.seq for message in await all_messages(store, "live")] == list(range(1, sent + 1))


async def test_erase_keeps_the_order_and_removes_personal_data(lasting_url: str, clock: StoreClock) -> None:
    async with both_opened(lasting_url, clock) as (store, database):
        await store.add_account(AGENT, "agent@example.org", "hash")
        await store.create_session("secret", ANN, LATER_MS, "room", "queued", email="ann@example.org")
        await new_conversation(store, "other")
        for room in ("room", "other"):
            for number, sender in enumerate((ANN, AGENT, ANN)):
                await store.append(Draft(room, sender, f"text {number}", f"id-{number}"))
        await store.create_conversation("bens", BEN, "queued")
        for room in ("room", "bens"):
            await store.add_note(f"note-{room}", room, AGENT, "private")
        before = await all_messages(store, "room")

        assert await retention.erase(database, "ann", LATER_MS, notice_s=0) == retention.Erased(sessions=1, messages=4)
        after = await all_messages(store, "room")
        assert [message.content for message in after] == ["[erased]", "text 1", "[erased]"]
        assert [message.sender.user_name for message in after] == ["Erased user", "Agnes", "Erased user"]
        for old, new in zip(before, after, strict=True):
            assert (old.seq, old.message_id, old.timestamp) == (new.seq, new.message_id, new.timestamp)
        assert await store.session("secret") is None
        assert (conversation := await store.conversation("room")) is not None
        assert (conversation.customer.user_name, conversation.customer_email) == ("Erased user", UNSET)
        assert conversation.last_message is not None
        assert conversation.last_message.content == "[erased]"
        assert await store.erased_lately() == ["ann"]
        assert await store.notes("room") == []

        await retention.erase(database, "agent", LATER_MS, notice_s=0)
        (note,) = await store.notes("bens")
        assert (note.author.user_name, note.content) == ("Erased user", "[erased]")
        account = await store.account("agent")
        assert account is not None
        assert (account.email, account.password_hash, account.disabled) == (None, None, True)
        assert await store.account_by_email("agent@example.org") is None
        assert await store.erased_lately() == ["ann", "agent"]
        assert await retention.erase(database, "ann", LATER_MS, notice_s=0) == retention.Erased(sessions=0, messages=0)
        with pytest.raises(NotFound):
            await retention.erase(database, "unknown-user", LATER_MS, notice_s=0)
