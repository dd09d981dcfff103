"""Queries of read marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from sqlalchemy import Connection, Text, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from chatws.protocol.entities import ReadMark
from chatws.store.queries import conversations
from chatws.store.queries.json_params import among_json
from chatws.store.queries.prepared import Prepared
from chatws.store.queries.rows import NewRow
from chatws.store.schema import read_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_CONVERSATION = Prepared(
    select(read_marks.c.user_id, read_marks.c.seq)
    .where(read_marks.c.conversation_id == bindparam("wanted_id"))
    .order_by(read_marks.c.user_id),
    ["wanted_id"],
)

_OF_CONVERSATIONS = Prepared(
    select(read_marks.c.conversation_id, read_marks.c.user_id, read_marks.c.seq)
    .where(among_json(read_marks.c.conversation_id, bindparam("wanted_ids", type_=Text)))
    .order_by(read_marks.c.conversation_id, read_marks.c.user_id),
    ["wanted_ids"],
)


def _forward(insert: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    return insert.on_conflict_do_update(
        index_elements=[read_marks.c.conversation_id, read_marks.c.user_id],
        set_={"seq": insert.excluded.seq},
        where=read_marks.c.seq < insert.excluded.seq,
    )


_FORWARD = {"sqlite": _forward(sqlite.insert(read_marks)), "postgresql": _forward(postgresql.insert(read_marks))}
"""Statement that moves a mark, by dialect; building it takes longer than running it."""


def of_conversation(connection: Connection, conversation_id: str) -> list[ReadMark]:
    """Return the read marks of a conversation, ordered by user id."""
    rows = cast("Sequence[tuple[str, int]]", _OF_CONVERSATION.fetch(connection, (conversation_id,)))
    return [ReadMark(user_id=user_id, seq=seq) for user_id, seq in rows]


def of_conversations(connection: Connection, conversation_ids: Sequence[str]) -> dict[str, list[ReadMark]]:
    """Return the read marks of the conversations that have any, ordered by user id."""
    wanted = msgspec.json.encode(list(conversation_ids)).decode()
    found: dict[str, list[ReadMark]] = {}
    for conversation_id, user_id, seq in cast(
        "Sequence[tuple[str, str, int]]", _OF_CONVERSATIONS.fetch(connection, (wanted,))
    ):
        found.setdefault(conversation_id, []).append(ReadMark(user_id=user_id, seq=seq))
    return found


def move(connection: Connection, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
    """Move a mark forward, at most to the last message; return None if nothing changes."""
    reached = min(seq, conversations.head(connection, conversation_id))
    if reached < 1:
        return None
    forward = _FORWARD[connection.dialect.name]
    row: NewRow = {"conversation_id": conversation_id, "user_id": user_id, "seq": reached}
    return ReadMark(user_id=user_id, seq=reached) if connection.execute(forward, row).rowcount else None
