"""Query of conversations by a customer's name or mail address, or the text of a message."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, tuple_

from chatws.protocol.entities import SearchHit
from chatws.store.queries import conversations as conversation_queries
from chatws.store.queries.accounts import CONTACT_EMAIL
from chatws.store.queries.rows import MESSAGE_COLUMNS, message_of
from chatws.store.schema import conversations, messages, users

SEARCHED_CONVERSATIONS = 1_000
SEARCHED_MESSAGES = 100
"""A search reads the newest messages of the newest conversations only, so its cost does not grow with the history."""

MAX_HITS = 20

_NEWEST = (
    select(conversations)
    .order_by(conversations.c.updated_at_ms.desc(), conversations.c.conversation_id.desc())
    .limit(SEARCHED_CONVERSATIONS)
    .subquery("newest")
)
_IS_RECENT = and_(
    messages.c.conversation_id == _NEWEST.c.conversation_id, messages.c.seq > _NEWEST.c.head_seq - SEARCHED_MESSAGES
)


def find(connection: Connection, text: str) -> list[SearchHit]:
    """Return the conversations with the text, most recently changed first."""
    by_customer = (
        select(_NEWEST.c.conversation_id, _NEWEST.c.updated_at_ms)
        .join(users, users.c.user_id == _NEWEST.c.customer_id)
        .where(_names_customer(text), _NEWEST.c.head_seq > 0)
        .order_by(_NEWEST.c.updated_at_ms.desc())
        .limit(MAX_HITS)
    )
    by_message = (
        select(_NEWEST.c.conversation_id, _NEWEST.c.updated_at_ms, func.max(messages.c.seq))
        .join(messages, _IS_RECENT)
        .where(messages.c.content.icontains(text, autoescape=True))
        .group_by(_NEWEST.c.conversation_id, _NEWEST.c.updated_at_ms)
        .order_by(_NEWEST.c.updated_at_ms.desc())
        .limit(MAX_HITS)
    )
    updated_at = {row[0]: row[1] for row in connection.execute(by_customer)}
    positions: list[tuple[str, int]] = []
    for conversation_id, updated_at_ms, seq in connection.execute(by_message):
        updated_at[conversation_id] = updated_at_ms
        positions.append((conversation_id, seq))
    found = {}
    if positions:
        at_positions = tuple_(messages.c.conversation_id, messages.c.seq).in_(positions)
        rows = connection.execute(select(*MESSAGE_COLUMNS).where(at_positions))
        found = {message.conversation_id: message for message in (message_of(*row) for row in rows)}
    newest = sorted(updated_at, key=lambda conversation_id: updated_at[conversation_id], reverse=True)
    hits = []
    for conversation_id in newest[:MAX_HITS]:
        conversation = conversation_queries.get(connection, conversation_id)
        message = found.get(conversation_id)
        hits.append(
            SearchHit(conversation=conversation)
            if message is None
            else SearchHit(conversation=conversation, message=message)
        )
    return hits


def _names_customer(text: str) -> ColumnElement[bool]:
    return or_(users.c.user_name.icontains(text, autoescape=True), CONTACT_EMAIL.icontains(text, autoescape=True))
