"""Queries that take a person out of the database and leave the order of the conversations as it was."""

from __future__ import annotations

import json

from sqlalchemy import Connection, bindparam, delete, func, select, update

from chatws.store.errors import NotFound
from chatws.store.queries.rows import insert_unless_taken
from chatws.store.schema import conversations, messages, meta, sessions, users

ERASED_NAME = "Erased user"
ERASED_CONTENT = "[erased]"

_ERASED = "erased"
"""Name of the row of ``meta`` that tells running servers whom to disconnect: a JSON list, newest last."""

_MOST_TOLD = 100
_CONVERSATIONS_AT_ONCE = 500

_FORGET = (
    update(users)
    .where(users.c.user_id == bindparam("this_user"))
    .values(
        user_name=ERASED_NAME,
        email=None,
        password_hash=None,
        disabled=True,
        tokens_valid_after_ms=bindparam("now_ms", type_=users.c.tokens_valid_after_ms.type),
    )
)
_END_SESSIONS = delete(sessions).where(sessions.c.user_id == bindparam("this_user"))
_TOLD = select(meta.c.value).where(meta.c.name == _ERASED)
_TELL = update(meta).where(meta.c.name == _ERASED).values(value=bindparam("told"))
_some = (
    select(conversations.c.conversation_id)
    .where(conversations.c.conversation_id > bindparam("after_id"))
    .order_by(conversations.c.conversation_id)
    .limit(_CONVERSATIONS_AT_ONCE)
    .subquery()
)
_LAST = select(func.max(_some.c.conversation_id))
_BLANK = (
    update(messages)
    .where(
        messages.c.conversation_id > bindparam("after_id"),
        messages.c.conversation_id <= bindparam("last_id"),
        messages.c.sender_id == bindparam("this_user"),
        (messages.c.content != ERASED_CONTENT) | (messages.c.sender_name != ERASED_NAME),
    )
    .values(sender_name=ERASED_NAME, content=ERASED_CONTENT)
)


def forget_person(connection: Connection, user_id: str, now_ms: int) -> int:
    """Replace what is known of a user, bar them, end their sessions, and tell the servers; return how many sessions.

    Raises:
        NotFound: no such account.
    """
    if connection.execute(_FORGET, {"this_user": user_id, "now_ms": now_ms}).rowcount == 0:
        raise NotFound("account", user_id)
    insert_unless_taken(connection, meta, {"name": _ERASED, "value": "[]"})
    told: list[str] = json.loads(connection.execute(_TOLD.with_for_update()).scalar_one())
    connection.execute(_TELL, {"told": json.dumps([*told, user_id][-_MOST_TOLD:])})
    return connection.execute(_END_SESSIONS, {"this_user": user_id}).rowcount


def erased_lately(connection: Connection) -> list[str]:
    """Return the ids of the users who were erased last."""
    told = connection.execute(_TOLD).scalar_one_or_none()
    return [] if told is None else json.loads(told)


def blank_messages(connection: Connection, user_id: str, after_id: str) -> tuple[str | None, int]:
    """Replace what a user wrote in some conversations, in the order of their ids.

    Returns the last of them, from which to go on (None: there were none), and how many messages were changed.
    """
    last_id: str | None = connection.execute(_LAST, {"after_id": after_id}).scalar_one()
    if last_id is None:
        return None, 0
    values = {"after_id": after_id, "last_id": last_id, "this_user": user_id}
    return last_id, connection.execute(_BLANK, values).rowcount
