"""Queries about how far each user has read."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, update

from chatws.protocol.entities import ReadMark
from chatws.store.queries import conversations
from chatws.store.queries.rows import NewRow, insert_unless_taken
from chatws.store.schema import read_marks

_OF_CONVERSATION = (
    select(read_marks.c.user_id, read_marks.c.seq)
    .where(read_marks.c.conversation_id == bindparam("wanted_id"))
    .order_by(read_marks.c.user_id)
)
_FORWARD = (
    update(read_marks)
    .where(
        read_marks.c.conversation_id == bindparam("wanted_id"),
        read_marks.c.user_id == bindparam("reader_id"),
        read_marks.c.seq < bindparam("new_seq"),
    )
    .values(seq=bindparam("new_seq"))
)


def of_conversation(connection: Connection, conversation_id: str) -> list[ReadMark]:
    """Return the read marks of a conversation, by user id."""
    rows = connection.execute(_OF_CONVERSATION, {"wanted_id": conversation_id})
    return [ReadMark(user_id=user_id, seq=seq) for user_id, seq in rows]


def move(connection: Connection, conversation_id: str, user_id: str, seq: int) -> ReadMark | None:
    """Move a mark forward, at most to the head; None when that changes nothing."""
    reached = min(seq, conversations.head(connection, conversation_id))
    if reached < 1:
        return None
    values = {"wanted_id": conversation_id, "reader_id": user_id, "new_seq": reached}
    row: NewRow = {"conversation_id": conversation_id, "user_id": user_id, "seq": reached}
    if connection.execute(_FORWARD, values).rowcount or insert_unless_taken(connection, read_marks, row):
        return ReadMark(user_id=user_id, seq=reached)
    return None
