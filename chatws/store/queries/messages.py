"""Queries of messages: pages forward and backward, and the snapshot for a join."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from sqlalchemy import Connection, bindparam, select

from chatws.protocol.limits import PAGE_BYTES, PAGE_MESSAGES
from chatws.store.interface import MessagePage, Snapshot
from chatws.store.queries import conversations, read_marks
from chatws.store.queries.prepared import Prepared
from chatws.store.queries.rows import MESSAGE_COLUMNS, message_of
from chatws.store.schema import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.protocol.entities import Message
    from chatws.store.queries.prepared import Values
    from chatws.store.queries.rows import MessageRow

_IN_CONVERSATION = select(*MESSAGE_COLUMNS).where(messages.c.conversation_id == bindparam("wanted_id"))
_LIMIT = bindparam("row_limit", type_=messages.c.seq.type)
_PARAMETERS = ["wanted_id", "position", "row_limit"]
_AFTER = Prepared(
    _IN_CONVERSATION.where(messages.c.seq > bindparam("position")).order_by(messages.c.seq).limit(_LIMIT), _PARAMETERS
)
_BEFORE = Prepared(
    _IN_CONVERSATION.where(messages.c.seq < bindparam("position")).order_by(messages.c.seq.desc()).limit(_LIMIT),
    _PARAMETERS,
)
_encode = msgspec.json.Encoder().encode


def page_after(connection: Connection, conversation_id: str, after_seq: int, limit: int) -> MessagePage:
    """Return the messages directly after a position."""
    head_seq = conversations.head(connection, conversation_id)
    found, has_more = _after(connection, conversation_id, after_seq, limit)
    return MessagePage(found, has_more, head_seq)


def page_before(connection: Connection, conversation_id: str, before_seq: int | None, limit: int) -> MessagePage:
    """Return the messages directly before a position (None: the end), in ascending order."""
    head_seq = conversations.head(connection, conversation_id)
    count = min(limit, PAGE_MESSAGES)
    position = head_seq + 1 if before_seq is None else before_seq
    rows = _BEFORE.fetch(connection, (conversation_id, position, count + 1))
    found, has_more = _first_page(rows, count)
    return MessagePage(found[::-1], has_more, head_seq)


def snapshot(connection: Connection, conversation_id: str, after_seq: int | None) -> Snapshot | None:
    """Return a conversation with the first page after a position and its read marks."""
    conversation = conversations.find(connection, conversation_id)
    if conversation is None:
        return None
    found: list[Message] = []
    has_more = False
    if after_seq is not None:
        found, has_more = _after(connection, conversation_id, after_seq, PAGE_MESSAGES)
    return Snapshot(conversation, found, has_more, read_marks.of_conversation(connection, conversation_id))


def _after(connection: Connection, conversation_id: str, after_seq: int, limit: int) -> tuple[list[Message], bool]:
    count = min(limit, PAGE_MESSAGES)
    rows = _AFTER.fetch(connection, (conversation_id, after_seq, count + 1))
    return _first_page(rows, count)


def _first_page(rows: Sequence[Values], count: int) -> tuple[list[Message], bool]:
    found: list[Message] = []
    page_bytes = 0
    for row in cast("Sequence[MessageRow]", rows):
        if len(found) >= count:
            return found, True
        message = message_of(*row)
        page_bytes += len(_encode(message)) + 1
        if found and page_bytes > PAGE_BYTES:
            return found, True
        found.append(message)
    return found, False
