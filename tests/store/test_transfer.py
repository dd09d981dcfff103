"""Copy of a database between SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from chatws.store import AlreadyRunning, BadUrl, ConversationFilter, Damaged, Draft, Store, StoreUnusable, maintenance
from chatws.store.factory import make_store
from chatws.store.transfer import Counts, copy
from tests.store.support import AGENT, ANN, all_messages, new_conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.postgres import PostgresServer

EXPECTED: Counts = {
    "users": 2,
    "conversations": 2,
    "messages": 1_501,
    "read_marks": 1,
    "sessions": 1,
    "notes": 1,
    "webhook_deliveries": 0,
}


@pytest.fixture
def target(postgres: PostgresServer) -> str:
    return postgres.new_database()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = make_store(url, server=True)
    await store.open()
    yield store
    await store.close()


async def fill(url: str) -> str:
    """Store rows of every kind and return the epoch."""
    async with opened(url) as store:
        await store.add_account(AGENT, "agent@example.org", "hash")
        await store.set_disabled("agent", disabled=True)
        await store.create_session("secret", ANN, 1, "room", "queued")
        await new_conversation(store, "short")
        drafts = [Draft("room", ANN, f"Grüße {number} 👋", f"id-{number}") for number in range(1_500)]
        await asyncio.gather(*(store.append(draft) for draft in drafts))
        await store.append(Draft("short", AGENT, "hello"))
        await store.mark_read("room", "agent", 7)
        await store.add_note("note", "room", AGENT, "private")
        return store.epoch


async def test_copy_in_both_directions_keeps_all_rows_and_sequence_numbers(
    path: Path, target: str, tmp_path: Path
) -> None:
    source, back = f"sqlite:///{path}", f"sqlite:///{tmp_path / 'back.db'}"
    epoch = await fill(source)
    reported: list[tuple[str, int, int]] = []
    assert await copy(source, target, lambda *row: reported.append(row)) == EXPECTED
    assert [row for row in reported if row[0] == "messages"] == [("messages", 1_000, 1_501), ("messages", 1_501, 1_501)]
    assert await copy(target, back, lambda *_: None) == EXPECTED
    async with opened(source) as one, opened(target) as other, opened(back) as third:
        assert {one.epoch, other.epoch, third.epoch} == {epoch}
        for store in (other, third):
            assert await store.conversations(ConversationFilter()) == await one.conversations(ConversationFilter())
            for room in ("room", "short"):
                assert await all_messages(store, room) == await all_messages(one, room)
                assert await store.read_marks(room) == await one.read_marks(room)
                assert await store.notes(room) == await one.notes(room)
            assert await store.account("agent") == await one.account("agent")
            assert await store.session("secret") == await one.session("secret")
        repeated = await other.append(Draft("room", ANN, "Grüße 7 👋", "id-7"))
        assert (repeated.duplicate, repeated.message.seq) == (True, 8)
        assert (await other.append(Draft("room", ANN, "next", "id-1500"))).message.seq == 1_501


async def test_rejected_copy_changes_nothing(path: Path, target: str, tmp_path: Path) -> None:
    source = f"sqlite:///{path}"
    async with opened(source) as store:
        await new_conversation(store)
        with pytest.raises(AlreadyRunning):
            await copy(source, target, lambda *_: None)
    with pytest.raises(BadUrl, match="one has to be"):
        await copy(source, f"sqlite:///{tmp_path / 'other.db'}", lambda *_: None)
    with pytest.raises(Damaged, match="no such file"):
        await copy(f"sqlite:///{tmp_path / 'nothing.db'}", target, lambda *_: None)

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE conversations SET head_seq = 3")
    with pytest.raises(StoreUnusable, match="do not end with their last message"):
        await copy(source, target, lambda *_: None)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE conversations SET head_seq = 0")

    await copy(source, target, lambda *_: None)  # the rejected copies left nothing
    with pytest.raises(StoreUnusable, match="not empty"):
        await copy(source, target, lambda *_: None)


async def test_new_epoch_is_seen_at_the_next_start(lasting_url: str) -> None:
    async with opened(lasting_url) as store:
        first = store.epoch
    epoch = await asyncio.to_thread(maintenance.renew_epoch, lasting_url)
    async with opened(lasting_url) as store:
        assert store.epoch == epoch != first


@pytest.mark.parametrize("work", [maintenance.backup, maintenance.restore])
def test_backup_and_restore_of_postgres_are_rejected(work: object, tmp_path: Path) -> None:
    assert callable(work)
    with pytest.raises(BadUrl, match="pg_dump and pg_restore"):
        work("postgresql://chat@db/chat", tmp_path / "backup")


async def test_upgrade_creates_the_tables_and_is_repeatable(target: str) -> None:
    for _ in range(2):
        await asyncio.to_thread(maintenance.upgrade, target)
    async with opened(target) as store:
        assert await store.accounts() == []
