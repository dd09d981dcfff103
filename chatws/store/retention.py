"""Retention and erasure in small transactions, safe while servers run."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chatws.store.queries import erasure, retention

if TYPE_CHECKING:
    from chatws.store.queries.retention import Pruned
    from chatws.store.sql_store import Database

NOTICE_S = 2.0
"""Time after which every server has closed the connections of an erased user; servers poll twice per second."""

_MIN_PAUSE_S = 0.02


class Erased(NamedTuple):
    """Numbers of removed sessions and replaced messages of a user."""

    sessions: int
    messages: int


async def count_old(database: Database, before_ms: int) -> Pruned:
    """Count the rows that ``prune`` would delete now."""
    return await database.read(partial(retention.count, before_ms=before_ms))


async def prune(database: Database, before_ms: int) -> Pruned:
    """Delete resolved conversations unchanged since ``before_ms``, ended sessions, and customers left without both.

    A conversation is deleted completely or not at all. The pause between two transactions is as long as the first of
    them took, so that servers can write. An interrupted run has deleted less and can be repeated.
    """
    deleted = retention.Pruned()
    for query in (retention.delete_conversations, retention.delete_sessions, retention.delete_customers):
        while True:
            began = time.monotonic()
            deleted_now = await database.write(partial(query, before_ms=before_ms))
            if not any(deleted_now):
                break
            deleted = deleted.plus(deleted_now)
            await asyncio.sleep(max(_MIN_PAUSE_S, time.monotonic() - began))
    return deleted


async def erase(database: Database, user_id: str, now_ms: int, *, notice_s: float = NOTICE_S) -> Erased:
    """Replace a user's name, messages and notes, delete email, password and sessions, and disable the user permanently.

    Notes in the conversations of a customer are deleted. The user is disabled first. After ``notice_s`` every server
    has closed the user's connections, so that no message is stored after the replacement. An interrupted run can be
    repeated.

    Raises:
        NotFound: no such account.
    """
    sessions = await database.write(partial(erasure.erase_account, user_id=user_id, now_ms=now_ms))
    await asyncio.sleep(notice_s)
    after_id: str | None = ""
    messages = 0
    while after_id is not None:
        after_id, changed = await database.write(partial(erasure.blank_messages, user_id=user_id, after_id=after_id))
        messages += changed
    return Erased(sessions, messages)
