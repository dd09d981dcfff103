"""Query of all stored messages, in pages, for export and search."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from sqlalchemy import Connection, select, tuple_

from chatws.store.queries import conversations as conversation_queries
from chatws.store.queries.rows import MESSAGE_COLUMNS, message_of
from chatws.store.schema import conversations, messages

if TYPE_CHECKING:
    from chatws.protocol.entities import Message
    from chatws.store.queries.rows import MessageRow

PAGE_ROWS = 500
"""Rows of one transaction, so that no transaction is long."""


class MessageFilter(NamedTuple):
    """Messages to read; None means any."""

    conversation_id: str | None = None
    since_ms: int | None = None


def page_of_all(connection: Connection, wanted: MessageFilter, after: Message | None) -> list[Message]:
    """Return the messages after one, ordered by conversation and ``seq``; an empty page is the end.

    Raises:
        NotFound: no such conversation.
    """
    query = select(*MESSAGE_COLUMNS).order_by(messages.c.conversation_id, messages.c.seq).limit(PAGE_ROWS)
    if wanted.conversation_id is not None:
        conversation_queries.head(connection, wanted.conversation_id)
        query = query.where(messages.c.conversation_id == wanted.conversation_id)
    if wanted.since_ms is not None:
        # Only the conversations have an index by time; a message changes the time of its conversation.
        changed = select(conversations.c.conversation_id).where(conversations.c.updated_at_ms >= wanted.since_ms)
        query = query.where(messages.c.created_at_ms >= wanted.since_ms, messages.c.conversation_id.in_(changed))
    if after is not None:
        query = query.where(tuple_(messages.c.conversation_id, messages.c.seq) > (after.conversation_id, after.seq))
    return [message_of(*cast("MessageRow", tuple(row))) for row in connection.execute(query)]
