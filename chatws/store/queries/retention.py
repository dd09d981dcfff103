"""Queries that delete old data: resolved conversations, ended sessions, and customers without either."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, delete, func, select, true

from chatws.store.schema import conversations, messages, notes, read_marks, sessions, users, webhook_deliveries

MAX_CONVERSATIONS = 100
MAX_MESSAGES = 5_000
"""Limits of one transaction, which blocks the writes of servers; a longer conversation is deleted alone."""

MAX_ROWS = 500


class Pruned(NamedTuple):
    """Numbers of deleted rows, or of rows to delete."""

    conversations: int = 0
    messages: int = 0
    sessions: int = 0
    customers: int = 0

    def plus(self, other: Pruned) -> Pruned:
        """Return the sum of two counts."""
        return Pruned(*(one + another for one, another in zip(self, other, strict=True)))


_BEFORE = bindparam("before_ms", type_=conversations.c.updated_at_ms.type)
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_is_old = and_(conversations.c.status == "resolved", conversations.c.updated_at_ms < _BEFORE)
_is_ended = sessions.c.expires_at_ms < _BEFORE
_OLD = (
    select(conversations.c.conversation_id, conversations.c.head_seq)
    .where(_is_old)
    .order_by(conversations.c.updated_at_ms, conversations.c.conversation_id)
    .limit(MAX_CONVERSATIONS)
    .with_for_update(skip_locked=True)
)
_DELETE_OLD = [
    delete(table).where(table.c.conversation_id.in_(_IDS))
    for table in (read_marks, notes, webhook_deliveries, messages, conversations)
]
_ENDED = select(sessions.c.session_sha256).where(_is_ended).limit(MAX_ROWS).with_for_update(skip_locked=True)
_DELETE_ENDED = delete(sessions).where(sessions.c.session_sha256.in_(_IDS), _is_ended)


def _is_unused(session: ColumnElement[bool], conversation: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a customer is older than ``before_ms`` and has no such session and conversation."""
    return and_(
        users.c.role == "customer",
        users.c.created_at_ms < _BEFORE,
        ~select(1).where(sessions.c.user_id == users.c.user_id, session).exists(),
        ~select(1).where(conversations.c.customer_id == users.c.user_id, conversation).exists(),
        ~select(1).where(conversations.c.assignee_id == users.c.user_id, conversation).exists(),
    )


_any_session = sessions.c.user_id == users.c.user_id
_UNUSED = (
    select(users.c.user_id).where(_is_unused(_any_session, true())).limit(MAX_ROWS).with_for_update(skip_locked=True)
)
_DELETE_UNUSED = delete(users).where(users.c.user_id.in_(_IDS), _is_unused(_any_session, true()))

_COUNTS = (
    select(func.count()).select_from(conversations).where(_is_old),
    select(func.count()).select_from(messages.join(conversations)).where(_is_old),
    select(func.count()).select_from(sessions).where(_is_ended),
    select(func.count()).select_from(users).where(_is_unused(~_is_ended, ~_is_old)),
)


def count(connection: Connection, before_ms: int) -> Pruned:
    """Count the rows that a prune would delete now."""
    return Pruned(*(connection.execute(query, {"before_ms": before_ms}).scalar_one() for query in _COUNTS))


def delete_conversations(connection: Connection, before_ms: int) -> Pruned:
    """Delete the next resolved conversations unchanged since ``before_ms``, with their content; all zero means done."""
    chosen: list[str] = []
    total = 0
    for conversation_id, head_seq in connection.execute(_OLD, {"before_ms": before_ms}).all():
        total += head_seq
        if chosen and total > MAX_MESSAGES:
            break
        chosen.append(conversation_id)
    if not chosen:
        return Pruned()
    *_, message_count, conversation_count = (connection.execute(each, {"ids": chosen}).rowcount for each in _DELETE_OLD)
    return Pruned(conversations=conversation_count, messages=message_count)


def delete_sessions(connection: Connection, before_ms: int) -> Pruned:
    """Delete the next sessions that ended before ``before_ms``."""
    ended = connection.execute(_ENDED, {"before_ms": before_ms}).scalars().all()
    return Pruned(sessions=connection.execute(_DELETE_ENDED, {"ids": ended, "before_ms": before_ms}).rowcount)


def delete_customers(connection: Connection, before_ms: int) -> Pruned:
    """Delete the next customers that were created before ``before_ms`` and have no session and no conversation.

    Their rows are locked and then checked again: a session or conversation could have been created meanwhile.
    """
    unused = connection.execute(_UNUSED, {"before_ms": before_ms}).scalars().all()
    return Pruned(customers=connection.execute(_DELETE_UNUSED, {"ids": unused, "before_ms": before_ms}).rowcount)
