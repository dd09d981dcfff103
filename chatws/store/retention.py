"""Deleting what is old and forgetting who asks for it, in small transactions beside running servers."""

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
"""Every server asks twice a second who was erased; after this their connections are closed, and nothing more comes."""

_SHORTEST_PAUSE_S = 0.02


class Erased(NamedTuple):
    """What was taken from a user."""

    sessions: int
    messages: int


async def count_old(database: Database, before_ms: int) -> Pruned:
    """Count what ``prune`` would delete now."""
    return await database.read(partial(retention.count, before_ms=before_ms))


async def prune(database: Database, before_ms: int) -> Pruned:
    """Delete resolved conversations without a change since, ended sessions, and customers who are left with neither.

    A conversation goes with all it holds or stays as it is. Between two transactions servers get as much time as one
    took. Interrupted, it has deleted less, and can be run again.
    """
    deleted = retention.Pruned()
    for query in (retention.delete_conversations, retention.delete_sessions, retention.delete_customers):
        while True:
            began = time.monotonic()
            some = await database.write(partial(query, before_ms=before_ms))
            if not any(some):
                break
            deleted = deleted.plus(some)
            await asyncio.sleep(max(_SHORTEST_PAUSE_S, time.monotonic() - began))
    return deleted


async def erase(database: Database, user_id: str, now_ms: int, *, notice_s: float = NOTICE_S) -> Erased:
    """Replace a user's name and all they wrote, drop email, password and sessions, and bar them for good.

    The user is barred first; when ``notice_s`` has passed every server has closed their connections, so that nothing
    they write comes after what is replaced here. Interrupted, it can be run again.

    Raises:
        NotFound: no such account.
    """
    sessions = await database.write(partial(erasure.forget_person, user_id=user_id, now_ms=now_ms))
    await asyncio.sleep(notice_s)
    place: str | None = ""
    messages = 0
    while place is not None:
        place, changed = await database.write(partial(erasure.blank_messages, user_id=user_id, after_id=place))
        messages += changed
    return Erased(sessions, messages)
