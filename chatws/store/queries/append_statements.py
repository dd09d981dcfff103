"""Four statements of an append, each for a whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from sqlalchemy import Text, bindparam, insert, literal_column, select, update

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
_INSERT = Prepared(insert(messages), [column.name for column in MESSAGE_COLUMNS])
_SET_HEAD = Prepared(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("wanted_id"))
    .values(head_seq=bindparam("new_head"), updated_at_ms=bindparam("now_ms")),
    ["wanted_id", "new_head", "now_ms"],
)


class ConversationHead(msgspec.Struct):
    """Current state of a conversation while the drafts of a batch are decided."""

    head_seq: int
    status: ConversationStatus
    version: int
    changed: bool = False
    reopened: bool = False


def lock_heads(connection: Connection, wanted_ids: Collection[str]) -> dict[str, ConversationHead]:
    """Read the state of the conversations and lock their rows until the transaction ends."""
    rows = _HEADS.fetch(connection, (_json(wanted_ids),))
    return {
        row[0]: ConversationHead(*row[1:]) for row in cast("Iterable[tuple[str, int, ConversationStatus, int]]", rows)
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


def set_heads(connection: Connection, rows: Sequence[tuple[str, int, int]]) -> None:
    """Set the head and the time of change of each conversation; the values are id, head, time."""
    _SET_HEAD.run_many(connection, rows)


def _json(values: Collection[str] | Collection[ClientKey]) -> str:
    return msgspec.json.encode(values).decode()
