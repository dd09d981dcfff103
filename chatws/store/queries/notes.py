"""Queries of the notes that agents write for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, bindparam, delete, select, update

from chatws.protocol.entities import BOT_ID, Note, User
from chatws.protocol.ids import format_timestamp
from chatws.protocol.limits import MAX_NOTES
from chatws.store.errors import IdempotencyConflict
from chatws.store.queries import conversations as conversation_queries
from chatws.store.queries.rows import NewRow, insert_unless_taken
from chatws.store.schema import conversations, notes

if TYPE_CHECKING:
    from collections.abc import Sequence

_NoteValues = tuple[str, str, int, str, str, str, int]

_COLUMNS = select(
    notes.c.note_id,
    notes.c.conversation_id,
    notes.c.after_seq,
    notes.c.author_id,
    notes.c.author_name,
    notes.c.content,
    notes.c.created_at_ms,
)
_BY_ID = _COLUMNS.where(notes.c.note_id == bindparam("wanted_id"))
_NEWEST = (
    _COLUMNS.where(notes.c.conversation_id == bindparam("wanted_id"))
    .order_by(notes.c.created_at_ms.desc(), notes.c.note_id.desc())
    .limit(MAX_NOTES)
)
_IN_RANGE = (
    conversations.c.conversation_id > bindparam("after_id"),
    conversations.c.conversation_id <= bindparam("last_id"),
)
_DELETE_OF_CUSTOMER = delete(notes).where(
    notes.c.conversation_id.in_(
        select(conversations.c.conversation_id).where(*_IN_RANGE, conversations.c.customer_id == bindparam("this_user"))
    )
)
_BLANK_OF_AUTHOR = (
    update(notes)
    .where(
        notes.c.conversation_id > bindparam("after_id"),
        notes.c.conversation_id <= bindparam("last_id"),
        notes.c.author_id == bindparam("this_user"),
    )
    .values(author_name=bindparam("erased_name"), content=bindparam("erased_content"))
)


def add(
    connection: Connection, note_id: str, conversation_id: str, author: User, content: str, *, now_ms: int
) -> tuple[Note, bool]:
    """Insert a note unless its id is taken by the same note; the flag tells whether it was inserted."""
    row: NewRow = {
        "note_id": note_id,
        "conversation_id": conversation_id,
        "after_seq": conversation_queries.head(connection, conversation_id),
        "author_id": author.user_id,
        "author_name": author.user_name,
        "content": content,
        "created_at_ms": now_ms,
    }
    is_new = insert_unless_taken(connection, notes, row)
    stored = _note(tuple(connection.execute(_BY_ID, {"wanted_id": note_id}).one()))
    if (stored.conversation_id, stored.author.user_id, stored.content) != (conversation_id, author.user_id, content):
        raise IdempotencyConflict(note_id)
    return stored, is_new


def newest(connection: Connection, conversation_id: str) -> list[Note]:
    """Return the newest notes of a conversation, oldest first."""
    rows = connection.execute(_NEWEST, {"wanted_id": conversation_id}).all()
    return [_note(tuple(row)) for row in reversed(rows)]


def erase(connection: Connection, user_id: str, after_id: str, last_id: str, *, name: str, content: str) -> None:
    """Delete the notes about a customer, and replace those of an author, in a range of conversation ids."""
    values = {"this_user": user_id, "after_id": after_id, "last_id": last_id}
    connection.execute(_DELETE_OF_CUSTOMER, values)
    connection.execute(_BLANK_OF_AUTHOR, {**values, "erased_name": name, "erased_content": content})


def _note(row: Sequence[object]) -> Note:
    note_id, conversation_id, after_seq, author_id, author_name, content, created_at_ms = cast("_NoteValues", row)
    return Note(
        note_id=note_id,
        conversation_id=conversation_id,
        author=User(user_id=author_id, user_name=author_name, role="bot" if author_id == BOT_ID else "admin"),
        content=content,
        timestamp=format_timestamp(created_at_ms),
        after_seq=after_seq,
    )
