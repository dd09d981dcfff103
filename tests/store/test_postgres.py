"""Behaviour specific to PostgreSQL: several servers on one database, and outages of the database."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatws.protocol.entities import User
from chatws.store import (
    BadUrl,
    Damaged,
    Draft,
    IdempotencyConflict,
    Store,
    StoreUnusable,
    Unavailable,
    migrations,
    schema,
)
from chatws.store.batch_executor import ErrorClass
from chatws.store.factory import make_store
from chatws.store.postgres import classify_error, reason_of, run_once
from chatws.store.queries import append_statements
from tests.store.support import ANN, BEN, all_messages, new_conversation
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection, Row

    from tests.support.postgres import PostgresServer

ROOMS = ("a", "b", "c")
POLL_S = 0.01
DEFINITIONS = """
    SELECT table_name, column_name, data_type, character_maximum_length::text, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = current_schema()
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT tablename, indexname, replace(indexdef, schemaname || '.', ''), NULL, NULL, NULL
    FROM pg_indexes WHERE schemaname = current_schema()
    ORDER BY 1, 2, 3
"""
"""Columns, constraints and indexes."""


@pytest.fixture
def url(emptied_url: str) -> str:
    """Return a database without rows."""
    return emptied_url


@pytest.fixture
def new_url(postgres: PostgresServer) -> str:
    """Return a new database, without tables."""
    return postgres.new_database()


@asynccontextmanager
async def opened(url: str, *, timeout_ms: int = 5_000) -> AsyncIterator[Store]:
    """Open a server store."""
    store = make_store(url, server=True, busy_timeout_ms=timeout_ms)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def row_locked(url: str, conversation_id: str) -> AsyncIterator[Any]:
    """Lock the row of a conversation in the transaction of another connection, which is yielded."""
    holder: Any = await asyncpg.connect(url)
    try:
        await holder.execute("BEGIN")
        await holder.execute(f"SELECT FROM conversations WHERE conversation_id = '{conversation_id}' FOR UPDATE")
        yield holder
    finally:
        await holder.close()


async def test_migrations_create_the_same_tables_as_a_new_database_has(postgres: PostgresServer, new_url: str) -> None:
    async with opened(new_url):
        pass
    migrated = await asyncio.to_thread(postgres.new_database)

    def migrate(connection: Connection) -> None:
        migrations.migrate(connection, schema.REVISION)

    def describe(connection: Connection) -> list[Row[Any]]:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        return list(connection.execute(text(DEFINITIONS)))

    await run_once(migrated, migrate)
    definitions = await run_once(new_url, describe)
    assert len(definitions) > len(schema.metadata.tables)
    assert await run_once(migrated, describe) == definitions


async def test_append_finds_its_rows_by_index_among_many(postgres: PostgresServer, new_url: str) -> None:
    async with opened(new_url) as store:
        await store.ensure_user(ANN)
    await postgres.execute(
        """
        INSERT INTO conversations SELECT 'c' || n, 'ann', 'queued', 1, NULL, n, n, 5 FROM generate_series(1, 2000) n;
        INSERT INTO messages SELECT 'c' || n, seq, 'id', 'ann', 'Ann', 'customer', 'x', 'k' || n || '-' || seq, n
            FROM generate_series(1, 2000) n, generate_series(1, 5) seq;
        ANALYZE
        """,
        new_url,
    )

    def plans(connection: Connection) -> str:
        found: list[str] = []
        for statement, parameter in (
            (append_statements._HEADS, '["c5"]'),
            (append_statements._DUPLICATES, '[["c5", "ann", "k5-1"]]'),
        ):
            sql, arrange = statement._for(connection)
            found += connection.exec_driver_sql(f"EXPLAIN {sql}", arrange((parameter,))).scalars().all()
        return "\n".join(found)

    plan = await run_once(new_url, plans)
    assert "Index Scan using pk_conversations" in plan or "Bitmap Index Scan on pk_conversations" in plan
    assert "Index Scan using ix_messages_client_message_id" in plan
    assert "Seq Scan" not in plan


async def test_servers_started_together_on_an_empty_database_share_one_epoch(new_url: str) -> None:
    stores = [make_store(new_url, server=True) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert len({store.epoch for store in stores}) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_two_servers_append_to_the_same_conversations_without_gaps_or_deadlocks(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        for room in ROOMS:
            await new_conversation(one, room)
        drafts = [Draft(ROOMS[number % 3], ANN, str(number)) for number in range(300)]
        mine = [one.append(draft) for draft in drafts]
        theirs = [other.append(draft) for draft in reversed(drafts)]
        stored = [answer.message for answer in await asyncio.gather(*mine, *theirs)]
        for room in ROOMS:
            messages = await all_messages(other, room)
            assert [message.seq for message in messages] == list(range(1, 201))
            assert sorted((m for m in stored if m.conversation_id == room), key=lambda m: m.seq) == messages


async def test_same_client_id_on_two_servers_stores_one_message(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        room = await new_conversation(one)
        answers = await asyncio.gather(
            *(store.append(Draft(room, ANN, f"text {n}", f"id-{n}")) for n in range(50) for store in (one, other))
        )
        assert sum(answer.duplicate for answer in answers) == 50
        assert len({(answer.message.seq, answer.message.message_id) for answer in answers}) == 50
        assert len(await all_messages(one, room)) == 50
        with pytest.raises(IdempotencyConflict):
            await other.append(Draft(room, ANN, "other text", "id-7"))


async def test_same_session_and_read_mark_on_two_servers_are_stored_once(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        created = [
            store.create_session("secret", user, 1, "room", "queued") for store, user in ((one, ANN), (other, BEN))
        ]
        first, second = await asyncio.gather(*created)
        assert first == second
        for _ in range(20):
            await one.append(Draft("room", ANN, "hello"))
        await asyncio.gather(*(store.mark_read("room", "x", n) for n in range(1, 21) for store in (one, other)))
        assert [(mark.user_id, mark.seq) for mark in await other.read_marks("room")] == [("x", 20)]


async def test_lost_race_is_retried(url: str) -> None:
    async with opened(url) as store:
        for room in ("a", "b"):
            await new_conversation(store, room)
        async with row_locked(url, "b") as holder:
            await holder.execute(
                "SET LOCAL deadlock_timeout = '1min'"
            )  # so that PostgreSQL does not abort this transaction
            appends = asyncio.gather(*(store.append(Draft(room, ANN, "hello")) for room in ("a", "b")))
            query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            while not await holder.fetchval(query):  # noqa: ASYNC110  nothing announces the lock
                await asyncio.sleep(POLL_S)
            # The store has locked a and waits for b; this closes the deadlock, and PostgreSQL resolves it.
            await holder.execute("SELECT FROM conversations WHERE conversation_id = 'a' FOR UPDATE")
            assert not appends.done()
        assert [answer.message.seq for answer in await appends] == [1, 1]


async def test_locked_row_times_out_and_reads_continue(url: str) -> None:
    async with opened(url, timeout_ms=1_500) as store:
        room = await new_conversation(store)
        async with row_locked(url, room):
            with pytest.raises(Unavailable, match="lock timeout"):
                await store.append(Draft(room, ANN, "hello", "id"))
            assert await store.conversation(room) is not None
        assert not (await store.append(Draft(room, ANN, "hello", "id"))).duplicate


async def test_server_uses_a_bounded_number_of_connections(postgres: PostgresServer, url: str) -> None:
    observer: Any = await asyncpg.connect(postgres.url())
    began = await observer.fetchval("SELECT now()")
    async with opened(url) as store:
        room = await new_conversation(store)
        jobs = [store.append(Draft(room, ANN, "hello")) for _ in range(100)]
        await asyncio.gather(
            *jobs, *(store.ping() for _ in range(100)), *(store.conversation(room) for _ in range(100))
        )
        # Connections of other tests may still be closing.
        count_own = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatws' AND backend_start > $1"
        assert await observer.fetchval(count_own, began) == 9
    await observer.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_restart_of_postgres_under_load_loses_no_acked_message(
    postgres: PostgresServer, url: str, how: signal.Signals
) -> None:
    async with opened(url) as one, opened(url) as other:
        for room in ROOMS:
            await new_conversation(one, room)
        ended = asyncio.Event()
        senders = [asyncio.create_task(_send_until(ended, store, n)) for n, store in enumerate([one, other] * 3)]
        await _wait_for_growth(one, 100)
        await asyncio.to_thread(postgres.stop, how)
        await asyncio.to_thread(postgres.start)
        await _wait_for_growth(other, 100)
        ended.set()
        results = await asyncio.gather(*senders)
        assert any(refusals for _, refusals in results)
        for room in ROOMS:
            messages = await all_messages(one, room)
            assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
        everything = [message for room in ROOMS for message in await all_messages(one, room)]
        for number, (acked, _) in enumerate(results):
            mine = [int(message.content) for message in everything if message.sender.user_id == f"sender-{number}"]
            assert sorted(mine) == list(range(1, acked + 1))


def test_internal_driver_error_during_commit_counts_as_outage() -> None:
    driver_error = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    error = DBAPIError("COMMIT", None, driver_error)
    assert classify_error(error) is ErrorClass.OUTAGE
    assert reason_of(error) == "PostgreSQL: the connection was lost"


async def test_restart_while_the_store_is_idle_has_no_effect(postgres: PostgresServer, url: str) -> None:
    async with opened(url) as store:
        room = await new_conversation(store)
        await store.append(Draft(room, ANN, "before"))
        postgres.stop()  # this blocks the event loop: the store detects it only at the next request
        postgres.start()
        assert (await store.append(Draft(room, ANN, "after"))).message.seq == 2
        assert await store.conversation(room) is not None


async def test_frozen_postgres_times_out_until_it_continues(postgres: PostgresServer, url: str) -> None:
    async with opened(url, timeout_ms=1_000) as store, opened(url) as ending:
        room = await new_conversation(store)
        await store.append(Draft(room, ANN, "before"))
        await ending.ping()
        with postgres.frozen():
            await ending.close()  # with a connection that gets no reply
            for _ in range(2):  # first on open connections, then on new ones
                requests = [store.append(Draft(room, ANN, "meanwhile", f"{number}")) for number in range(300)]
                outcomes = await asyncio.gather(
                    *requests, store.ping(), *(store.conversation(room) for _ in range(10)), return_exceptions=True
                )
                assert {type(outcome) for outcome in outcomes} == {Unavailable}
                assert {str(outcome) for outcome in outcomes} == {
                    "the store is unavailable: PostgreSQL does not respond"
                }
        repeated = await asyncio.gather(*(store.append(Draft(room, ANN, "meanwhile", f"{n}")) for n in range(300)))
        assert sorted(answer.message.seq for answer in repeated) == list(range(2, 302))


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        (lambda url: url.replace("/postgres?", "/nowhere?"), StoreUnusable, "create it with 'createdb'"),
        (lambda url: url.replace("chat@", "nobody:hush-hush@"), StoreUnusable, "check the user and the password"),
        (lambda _: f"postgresql://chat:hush-hush@127.0.0.1:{free_port()}/x", Unavailable, "Connection refused"),
        (lambda _: "postgresql://chat@127.0.0.1", BadUrl, "names no database"),
    ],
)
async def test_open_error_is_one_line_with_the_reason(url: str, change: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why) as caught:
        await make_store(change(url), server=True).open()
    assert "hush-hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_database_of_another_program_is_not_changed(postgres: PostgresServer, new_url: str) -> None:
    await postgres.execute("CREATE TABLE invoices (number int)", new_url)
    with pytest.raises(Damaged, match="tables of another program"):
        await make_store(new_url, server=True).open()


async def _send_until(ended: asyncio.Event, store: Store, number: int) -> tuple[int, int]:
    """Send 1, 2, 3 … as one sender, each until its ack; return the last number and the number of rejections."""
    sender = User(user_id=f"sender-{number}", user_name="Sender", role="customer")
    refusals = 0
    for content in count(1):
        while True:
            try:
                await store.append(Draft(ROOMS[content % 3], sender, str(content), f"{number}-{content}"))
                break
            except Unavailable:
                refusals += 1
                await asyncio.sleep(0.05)
        if ended.is_set():
            return content, refusals
    raise AssertionError


async def _wait_for_growth(store: Store, by: int) -> None:
    """Wait until this many more messages are stored."""
    target: int | None = None
    while True:
        try:
            stored = sum(head.seq for head in (await store.heads(ROOMS)).values())
        except Unavailable:
            await asyncio.sleep(POLL_S)
            continue
        if target is None:
            target = stored + by
        if stored >= target:
            return
        await asyncio.sleep(POLL_S)
