"""Queries that delete what is old: resolved conversations, ended sessions, and customers who have neither."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, delete, func, select, true

from chatws.store.schema import conversations, messages, read_marks, sessions, users

MOST_CONVERSATIONS = 100
MOST_MESSAGES = 5_000
"""Rows of one transaction, which keeps a server's writes waiting; a longer conversation goes alone."""

MOST_PEOPLE = 500


class Pruned(NamedTuple):
    """How many rows were deleted, or would be."""

    conversations: int = 0
    messages: int = 0
    sessions: int = 0
    customers: int = 0

    def plus(self, other: Pruned) -> Pruned:
        """Add up two counts."""
        return Pruned(*(one + another for one, another in zip(self, other, strict=True)))


_BEFORE = bindparam("before_ms", type_=conversations.c.updated_at_ms.type)
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_is_old = and_(conversations.c.status == "resolved", conversations.c.updated_at_ms < _BEFORE)
_is_ended = sessions.c.expires_at_ms < _BEFORE
_OLD = (
    select(conversations.c.conversation_id, conversations.c.head_seq)
    .where(_is_old)
    .order_by(conversations.c.updated_at_ms, conversations.c.conversation_id)
    .limit(MOST_CONVERSATIONS)
    .with_for_update(skip_locked=True)
)
_DELETE_OLD = [
    delete(table).where(table.c.conversation_id.in_(_IDS)) for table in (read_marks, messages, conversations)
]
_ENDED = select(sessions.c.session_sha256).where(_is_ended).limit(MOST_PEOPLE).with_for_update(skip_locked=True)
_DELETE_ENDED = delete(sessions).where(sessions.c.session_sha256.in_(_IDS), _is_ended)


def _is_alone(session: ColumnElement[bool], conversation: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a customer from before has no such session and no such conversation."""
    return and_(
        users.c.role == "customer",
        users.c.created_at_ms < _BEFORE,
        ~select(1).where(sessions.c.user_id == users.c.user_id, session).exists(),
        ~select(1).where(conversations.c.customer_id == users.c.user_id, conversation).exists(),
        ~select(1).where(conversations.c.assignee_id == users.c.user_id, conversation).exists(),
    )


_anything = sessions.c.user_id == users.c.user_id
_ALONE = (
    select(users.c.user_id).where(_is_alone(_anything, true())).limit(MOST_PEOPLE).with_for_update(skip_locked=True)
)
_DELETE_ALONE = delete(users).where(users.c.user_id.in_(_IDS), _is_alone(_anything, true()))

_COUNTS = (
    select(func.count()).select_from(conversations).where(_is_old),
    select(func.count()).select_from(messages.join(conversations)).where(_is_old),
    select(func.count()).select_from(sessions).where(_is_ended),
    select(func.count()).select_from(users).where(_is_alone(~_is_ended, ~_is_old)),
)


def count(connection: Connection, before_ms: int) -> Pruned:
    """Count what a prune would delete now."""
    return Pruned(*(connection.execute(query, {"before_ms": before_ms}).scalar_one() for query in _COUNTS))


def delete_conversations(connection: Connection, before_ms: int) -> Pruned:
    """Delete some conversations that are resolved and unchanged since, with all they hold; nothing left means done."""
    chosen: list[str] = []
    total = 0
    for conversation_id, head_seq in connection.execute(_OLD, {"before_ms": before_ms}).all():
        total += head_seq
        if chosen and total > MOST_MESSAGES:
            break
        chosen.append(conversation_id)
    if not chosen:
        return Pruned()
    _, of_messages, of_conversations = (connection.execute(each, {"ids": chosen}).rowcount for each in _DELETE_OLD)
    return Pruned(conversations=of_conversations, messages=of_messages)


def delete_sessions(connection: Connection, before_ms: int) -> Pruned:
    """Delete some sessions that ended before."""
    ended = connection.execute(_ENDED, {"before_ms": before_ms}).scalars().all()
    return Pruned(sessions=connection.execute(_DELETE_ENDED, {"ids": ended, "before_ms": before_ms}).rowcount)


def delete_customers(connection: Connection, before_ms: int) -> Pruned:
    """Delete some customers from before who have no session and no conversation.

    They are locked first and looked at again: a new session or conversation could have come between.
    """
    alone = connection.execute(_ALONE, {"before_ms": before_ms}).scalars().all()
    return Pruned(customers=connection.execute(_DELETE_ALONE, {"ids": alone, "before_ms": before_ms}).rowcount)
