"""Cache of conversation states: outcomes are those of a database without a cache, whatever has changed the rows."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from chatws.protocol.entities import Message
from chatws.store import Draft, Snapshot, Store, Stored, StoreError
from chatws.store.factory import make_database, make_store
from chatws.store.queries import conversations, messages, retention
from chatws.store.queries.append import append_batch
from chatws.store.queries.append_statements import ConversationHead
from chatws.store.queries.head_cache import MAX_CACHED, HeadCache
from tests.store.support import ANN, BOT, START_MS, all_messages, new_conversation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from chatws.protocol.entities import ConversationStatus
    from chatws.store.sql_store import Database

Step = tuple[Any, ...]

HELLO = Draft("one", ANN, "hello")
BOT_REPLY = Draft("one", BOT, "hello", expected_version=2)

_rooms = st.sampled_from(["one", "two"])
_sendable = st.builds(
    Draft,
    conversation_id=_rooms,
    sender=st.sampled_from([ANN, BOT]),
    content=st.sampled_from(["hello", "hello", "again"]),
    client_message_id=st.sampled_from([None, None, "a", "b"]),
    expected_version=st.sampled_from([None, None, None, 1, 2, 3]),
)
_unstorable = st.builds(Draft, conversation_id=_rooms, sender=st.just(ANN), content=st.just("\ud800"))
_drafts = st.one_of(_sendable, _sendable, _sendable, _unstorable)
_statuses = st.sampled_from(["queued", "bot", "resolved"])
# Changes beside the server are those of commands: the server learns nothing about them.
_steps = st.one_of(
    st.tuples(st.just("append"), st.lists(_drafts, min_size=1, max_size=5)),
    st.tuples(st.just("append beside"), _drafts),
    st.tuples(st.just("change"), _rooms, _statuses),
    st.tuples(st.just("change beside"), _rooms, _statuses),
    st.tuples(st.just("delete resolved beside")),
)


def test_outcomes_equal_those_without_a_cache() -> None:
    names = count()
    with asyncio.Runner() as runner:
        cached, plain = (make_database("sqlite://", server=True, clock_ms=lambda: START_MS) for _ in range(2))
        runner.run(cached.open())
        runner.run(plain.open())

        @settings(max_examples=20)
        @given(st.lists(_steps, max_size=15))
        @example([("append", [HELLO]), ("append beside", HELLO), ("append", [HELLO])])
        @example([("append", [HELLO]), ("change beside", "one", "bot"), ("append", [HELLO])])
        @example([("append", [HELLO]), ("change beside", "one", "bot"), ("append", [BOT_REPLY])])
        @example(
            [
                ("append", [HELLO]),
                ("change beside", "one", "resolved"),
                ("delete resolved beside",),
                ("append", [HELLO]),
            ]
        )
        def compare(steps: list[Step]) -> None:
            runner.run(_compare(cached, plain, f"{next(names)}-", steps))

        compare()
        runner.run(cached.close())
        runner.run(plain.close())


async def _compare(cached: Database, plain: Database, prefix: str, steps: Sequence[Step]) -> None:
    """Run the steps in both databases, in new conversations, and compare all outcomes and the messages."""
    for database in (cached, plain):
        for room in ("one", "two"):
            await database.write(partial(_create, conversation_id=prefix + room))
    for step in steps:
        match step:
            case "append", drafts:
                drafts = [structs.replace(draft, conversation_id=prefix + draft.conversation_id) for draft in drafts]
                found = await asyncio.gather(*map(cached.append, drafts), return_exceptions=True)
                expected = [await _outcome(plain, draft) for draft in drafts]
                assert [_summary(each) for each in found] == [_summary(each) for each in expected]
            case "append beside", draft:
                draft = structs.replace(draft, conversation_id=prefix + draft.conversation_id)
                assert _summary(await _outcome(cached, draft)) == _summary(await _outcome(plain, draft))
            case kind, room, status:
                change = partial(_set_status, conversation_id=prefix + room, status=status)
                await cached.write(change, changed_id=prefix + room if kind == "change" else None)
                await plain.write(change)
            case _:
                for database in (cached, plain):
                    await database.write(partial(retention.delete_conversations, before_ms=START_MS + 1))
    for room in ("one", "two"):
        read = partial(messages.snapshot, conversation_id=prefix + room, after_seq=0)
        assert _summary(await cached.read(read)) == _summary(await plain.read(read))


async def test_append_to_a_known_conversation_runs_no_query() -> None:
    database = make_database("sqlite://", server=True)
    await database.open()
    await database.write(partial(_create, conversation_id="room"))
    await database.append(Draft("room", ANN, "1", "a"))
    statements: list[str] = []
    await database.write(partial(_trace, statements=statements))
    await database.append(Draft("room", ANN, "2", "b"))
    await database.close()
    verbs = [statement.split()[0] for statement in statements if not statement.startswith("--")]
    assert verbs == ["COMMIT", "BEGIN", "UPDATE", "INSERT", "COMMIT"]


async def test_changes_by_a_command_are_noticed(file_store: Store, path: Path) -> None:
    room = await new_conversation(file_store)
    assert (await file_store.append(Draft(room, ANN, "1"))).version == 1
    command = make_store(f"sqlite:///{path}", server=False)
    await command.open()
    await command.append(Draft(room, ANN, "2"))
    assert (await file_store.append(Draft(room, ANN, "3"))).message.seq == 3
    await command.transition(room, version=1, status="resolved", assignee_id=None)
    reopened = await file_store.append(Draft(room, ANN, "4"))
    assert reopened.conversation is not None
    assert (reopened.conversation.status, reopened.version) == ("queued", 3)
    await command.close()
    assert [message.content for message in await all_messages(file_store, room)] == ["1", "2", "3", "4"]


def test_size_is_bounded() -> None:
    cache = HeadCache()
    for number in range(3 * MAX_CACHED):
        cache.add([ConversationHead(f"{number}", 1, "queued", 1, 0, 1)])
    kept = cache.find(f"{number}" for number in range(3 * MAX_CACHED))
    assert MAX_CACHED * 0.8 < len(kept) <= MAX_CACHED
    assert f"{3 * MAX_CACHED - 1}" in kept


def _trace(connection: Connection, statements: list[str]) -> None:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, sqlite3.Connection)
    driver_connection.set_trace_callback(statements.append)


def _create(connection: Connection, conversation_id: str) -> None:
    conversations.create(connection, conversation_id, ANN, "queued", START_MS)


def _set_status(connection: Connection, conversation_id: str, status: ConversationStatus) -> None:
    conversations.change(connection, conversation_id, status, None, START_MS)


async def _outcome(database: Database, draft: Draft) -> Stored | StoreError | Exception:
    """Append a message without a cache."""
    try:
        return await database.write(
            lambda connection: append_batch(connection, [draft], now_ms=START_MS, reopen_status="queued")[0]
        )
    except (StoreError, UnicodeEncodeError) as error:
        return error


def _summary(outcome: object) -> object:
    """Return what has to be equal in both databases: all but ids, and the state in which an error found the row."""
    match outcome:
        case Stored(message=message):
            return (
                _summary(message),
                outcome.duplicate,
                outcome.version,
                outcome.conversation and outcome.conversation.status,
            )
        case Message():
            return outcome.seq, outcome.content, outcome.sender, outcome.client_message_id
        case Snapshot():
            conversation = outcome.conversation
            return (
                [_summary(each) for each in outcome.messages],
                conversation.version,
                conversation.status,
                conversation.head_seq,
            )
    return type(outcome)
