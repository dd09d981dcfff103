"""The four statements of an append, each for a whole batch."""

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
"""Conversation, sender, and the sender's own id for the message."""

# JSON parameters: one however many values there are, so one statement for ever.
_PLACES = Prepared(
    select(
        conversations.c.conversation_id,
        conversations.c.head_seq,
        conversations.c.status,
        conversations.c.version,
    )
    .where(among_json(conversations.c.conversation_id, bindparam("wanted_ids", type_=Text)))
    .order_by(conversations.c.conversation_id)
    # Not the key: rows that only refer to the conversation are no reason to wait.
    .with_for_update(key_share=True),
    ["wanted_ids"],
)
_wanted_keys = json_rows(bindparam("client_keys", type_=Text)).table_valued("value", name="client_keys")


def _part(number: int) -> ColumnElement[str]:
    return json_item(_wanted_keys.c.value, literal_column(str(number)))


_KNOWN = Prepared(
    select(*MESSAGE_COLUMNS).select_from(
        # An outer join fixes the order: keys first, then the index. SQLite scans the whole index for
        # (a, b, c) IN (VALUES ...), and for a plain join it may begin with the messages.
        _wanted_keys.outerjoin(
            messages,
            (messages.c.conversation_id == _part(0))
            & (messages.c.sender_id == _part(1))
            & (messages.c.client_message_id == _part(2)),
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
    """Where a conversation stands while the batch is decided."""

    head_seq: int
    status: ConversationStatus
    version: int
    changed: bool = False
    reopened: bool = False


def read_places(connection: Connection, wanted_ids: Collection[str]) -> dict[str, ConversationHead]:
    """Read where the conversations stand, and hold them for the transaction."""
    rows = _PLACES.fetch(connection, (_json(wanted_ids),))
    return {
        row[0]: ConversationHead(*row[1:]) for row in cast("Iterable[tuple[str, int, ConversationStatus, int]]", rows)
    }


def read_known(connection: Connection, keys: Collection[ClientKey]) -> dict[ClientKey, Message]:
    """Read the messages that were stored under these clients' ids."""
    if not keys:
        return {}
    rows = cast("Iterable[MessageRow]", _KNOWN.fetch(connection, (_json(keys),)))
    return {(row[0], row[3], str(row[7])): message_of(*row) for row in rows if row[0]}


def insert_messages(connection: Connection, rows: Sequence[Values]) -> None:
    """Insert messages; the values are in the order of ``MESSAGE_COLUMNS``."""
    _INSERT.run_many(connection, rows)


def set_heads(connection: Connection, rows: Sequence[tuple[str, int, int]]) -> None:
    """Set each conversation's head and time of change; the values are id, head, time."""
    _SET_HEAD.run_many(connection, rows)


def _json(values: Collection[str] | Collection[ClientKey]) -> str:
    return msgspec.json.encode(values).decode()
