"""Statements of an append, each for a whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from sqlalchemy import Text, bindparam, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite

from chatws.protocol.entities import ConversationStatus, Message
from chatws.store.queries.json_params import among_json, json_item, json_rows
from chatws.store.queries.prepared import Prepared, Values
from chatws.store.queries.rows import MESSAGE_COLUMNS, MessageRow, message_of
from chatws.store.schema import conversations, messages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

ClientKey = tuple[str, str, str]
"""Conversation id, sender id, and client message id."""

# JSON parameters: one parameter for any number of values, so the statement is compiled once.
_HEADS = Prepared(
    select(
        conversations.c.conversation_id,
        conversations.c.head_seq,
        conversations.c.status,
        conversations.c.version,
    )
    .where(among_json(conversations.c.conversation_id, bindparam("wanted_ids", type_=Text)))
    .order_by(conversations.c.conversation_id)
    # Without locking the key: inserting a row that references the conversation does not have to wait.
    .with_for_update(key_share=True),
    ["wanted_ids"],
)
_wanted_keys = json_rows(bindparam("client_keys", type_=Text)).table_valued("value", name="client_keys")


def _key_item(position: int) -> ColumnElement[str]:
    return json_item(_wanted_keys.c.value, literal_column(str(position)))


_DUPLICATES = Prepared(
    select(*MESSAGE_COLUMNS).select_from(
        # An outer join fixes the order: keys first, then the index. SQLite scans the whole index for
        # (a, b, c) IN (VALUES ...), and for an inner join it may start with the messages.
        _wanted_keys.outerjoin(
            messages,
            (messages.c.conversation_id == _key_item(0))
            & (messages.c.sender_id == _key_item(1))
            & (messages.c.client_message_id == _key_item(2)),
        )
    ),
    ["client_keys"],
)
_COLUMN_NAMES = [column.name for column in MESSAGE_COLUMNS]
_INSERT = Prepared(insert(messages), _COLUMN_NAMES)
_INSERT_UNLESS_DUPLICATE = Prepared(sqlite.insert(messages).on_conflict_do_nothing(), _COLUMN_NAMES)
_SET_HEAD = Prepared(
    update(conversations)
    .where(
        conversations.c.conversation_id == bindparam("wanted_id"),
        conversations.c.head_seq == bindparam("stored_seq"),
        conversations.c.version == bindparam("stored_version"),
    )
    .values(head_seq=bindparam("new_seq"), updated_at_ms=bindparam("now_ms")),
    ["new_seq", "now_ms", "wanted_id", "stored_seq", "stored_version"],
)


class ConversationHead(msgspec.Struct):
    """State of a conversation while the drafts of a batch are decided, beside the state in the database."""

    conversation_id: str
    head_seq: int
    status: ConversationStatus
    version: int
    stored_seq: int
    stored_version: int


def lock_heads(connection: Connection, wanted_ids: Collection[str]) -> dict[str, ConversationHead]:
    """Read the state of the conversations and lock their rows until the transaction ends."""
    rows = cast("Iterable[tuple[str, int, ConversationStatus, int]]", _HEADS.fetch(connection, (_json(wanted_ids),)))
    return {
        conversation_id: ConversationHead(conversation_id, head_seq, status, version, head_seq, version)
        for conversation_id, head_seq, status, version in rows
    }


def read_duplicates(connection: Connection, keys: Collection[ClientKey]) -> dict[ClientKey, Message]:
    """Read the messages already stored under these keys."""
    if not keys:
        return {}
    rows = cast("Iterable[MessageRow]", _DUPLICATES.fetch(connection, (_json(keys),)))
    return {(row[0], row[3], str(row[7])): message_of(*row) for row in rows if row[0]}


def insert_messages(connection: Connection, rows: Sequence[Values]) -> None:
    """Insert messages; the values are in the order of ``MESSAGE_COLUMNS``."""
    _INSERT.run_many(connection, rows)


def insert_unless_duplicate(connection: Connection, rows: Sequence[Values]) -> int:
    """Insert the messages whose key and position are not taken, on SQLite only; return their number."""
    return _INSERT_UNLESS_DUPLICATE.run_many(connection, rows)


def set_heads(connection: Connection, heads: Sequence[ConversationHead], now_ms: int) -> int:
    """Set head and time of change of conversations that still have the stored state; SQLite returns their number."""
    rows = [(head.head_seq, now_ms, head.conversation_id, head.stored_seq, head.stored_version) for head in heads]
    return _SET_HEAD.run_many(connection, rows)


def _json(values: Collection[str] | Collection[ClientKey]) -> str:
    return msgspec.json.encode(values).decode()
