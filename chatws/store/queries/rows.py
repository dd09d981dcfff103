"""Conversion of rows to entities, and inserts of rows that may already exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from sqlalchemy.dialects import postgresql, sqlite

from chatws.protocol.entities import Message, Role, User
from chatws.protocol.ids import format_timestamp
from chatws.store.schema import messages

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

NewRow = dict[str, str | int | bool | None]
"""Row to insert: values by column name."""

MessageRow = tuple[str, int, str, str, str, Role, str, str | None, int]
"""Values of a message in the order of ``MESSAGE_COLUMNS``."""

MESSAGE_COLUMNS = (
    messages.c.conversation_id,
    messages.c.seq,
    messages.c.message_id,
    messages.c.sender_id,
    messages.c.sender_name,
    messages.c.sender_role,
    messages.c.content,
    messages.c.client_message_id,
    messages.c.created_at_ms,
)
"""Columns in the order of the parameters of ``message_of``."""


def message_of(  # noqa: PLR0917  one parameter per column of a row
    conversation_id: str,
    seq: int,
    message_id: str,
    sender_id: str,
    sender_name: str,
    sender_role: Role,
    content: str,
    client_message_id: str | None,
    created_at_ms: int,
) -> Message:
    """Build a message from the values of a row."""
    return Message(
        conversation_id=conversation_id,
        content=content,
        sender=User(user_id=sender_id, user_name=sender_name, role=sender_role),
        timestamp=format_timestamp(created_at_ms),
        message_id=message_id,
        seq=seq,
        client_message_id=UNSET if client_message_id is None else client_message_id,
    )


def insert_unless_taken(connection: Connection, table: Table, row: NewRow) -> bool:
    """Insert a row unless one of its unique values is taken; return whether it was inserted."""
    insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    return connection.execute(insert.on_conflict_do_nothing(), row).rowcount == 1
