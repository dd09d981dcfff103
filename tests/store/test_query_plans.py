"""Query plans: no query of a running server scans a whole table, so its cost does not grow with the history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from chatws.protocol.webhooks import WebhookKind
from chatws.store import Draft, Store, migrations
from chatws.store.queries import (
    accounts,
    append,
    conversations,
    deliveries,
    inbox,
    messages,
    notes,
    read_marks,
    sessions,
)
from chatws.store.queries.head_cache import HeadCache
from chatws.store.sqlite import make_engine, make_private
from tests.store.support import AGENT, ANN, BEN, START_MS, new_conversation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection


def _append(connection: Connection) -> None:
    drafts = [Draft("room", sender, "hello", str(number)) for number, sender in enumerate((ANN, BEN) * 20)]
    append.append_batch(connection, drafts, now_ms=START_MS, reopen_status="queued", webhook_kinds=ALL_KINDS)


def _transition(connection: Connection) -> None:
    conversations.transition(
        connection, "room", version=1, status="assigned", assignee_id=AGENT.user_id, now_ms=START_MS
    )


def _claim(connection: Connection) -> None:
    _append(connection)
    (run,) = deliveries.claim(connection, conversation_limit=1, now_ms=START_MS, lease_until_ms=START_MS + 1).runs
    deliveries.complete(connection, run[0].key, START_MS, ends_run=True)
    deliveries.postpone(connection, run[1].key, START_MS + 1)
    assert deliveries.expire(connection, START_MS + 1)


ALL_KINDS = frozenset(get_args(WebhookKind))
TABLES = "messages|conversations|users|customer|assignee|sessions|notes|read_marks|webhook_deliveries|earlier"
QUERIES: dict[str, Callable[[Connection], object]] = {
    "append": _append,
    "transition": _transition,
    "claim events": _claim,
    "heads": lambda connection: conversations.heads(connection, ["room", "other"]),
    "snapshot": lambda connection: messages.snapshot(connection, "room", 0),
    "page before": lambda connection: messages.page_before(connection, "room", None, 50),
    "add note": lambda connection: notes.add(connection, "note", "room", AGENT, "text", now_ms=START_MS),
    "notes": lambda connection: notes.newest(connection, "room"),
    "mark read": lambda connection: read_marks.move(connection, "room", "ann", 1),
    "inbox entries": lambda connection: inbox.entries(connection, ["room", "other"], "agent"),
    "session": lambda connection: sessions.find(connection, "secret"),
    "new session": lambda connection: sessions.create(connection, "new", BEN, 1, "other", "queued", None, START_MS),
    "touch session": lambda connection: sessions.touch(connection, "secret", 1),
}


def test_without_a_webhook_no_statement_concerns_it(path: Path) -> None:
    make_private(path)
    engine = make_engine(path)
    statements: list[str] = []
    with engine.begin() as connection:
        migrations.upgrade(connection)
        accounts.ensure(connection, AGENT, None, START_MS)
        conversations.create(connection, "room", ANN, "queued", START_MS)
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(statements.append)
        append.append_batch(
            connection, [Draft("room", ANN, "hello")], now_ms=START_MS, reopen_status="queued", cache=HeadCache()
        )
        _transition(connection)
        driver.set_trace_callback(None)
    engine.dispose()
    assert statements
    assert not any("webhook" in statement for statement in statements)


@pytest.mark.parametrize("name", QUERIES)
async def test_every_row_is_found_by_an_index(file_store: Store, path: Path, name: str) -> None:
    await new_conversation(file_store)
    await file_store.ensure_user(AGENT)
    await file_store.create_session("secret", ANN, 1, None, "queued")
    await file_store.append(Draft("room", ANN, "hello", "id"))
    statements: list[str] = []
    engine = make_engine(path)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(statements.append)
        QUERIES[name](connection)
        driver.set_trace_callback(None)
        explainable = [statement for statement in statements if statement.startswith(("SELECT", "UPDATE", "INSERT"))]
        assert explainable
        for statement in explainable:
            for *_, step in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement.replace("%", "%%")):
                assert not re.match(f"SCAN ({TABLES})", step)
    engine.dispose()
