"""Queries that erase a user without changing the order of conversations."""

from __future__ import annotations

import json

from sqlalchemy import Connection, bindparam, delete, func, select, update

from chatws.store.errors import NotFound
from chatws.store.queries import deliveries, notes
from chatws.store.queries.rows import insert_unless_taken
from chatws.store.schema import conversations, messages, meta, sessions, users

ERASED_NAME = "Erased user"
ERASED_CONTENT = "[erased]"

_ERASED = "erased"
"""Name of the row of ``meta`` with the users to disconnect from running servers: a JSON list, newest last."""

_MAX_LISTED = 100
_CHUNK_CONVERSATIONS = 500

_ERASE_ACCOUNT = (
    update(users)
    .where(users.c.user_id == bindparam("this_user"))
    .values(
        user_name=ERASED_NAME,
        email=None,
        contact_email=None,
        password_hash=None,
        disabled=True,
        tokens_valid_after_ms=bindparam("now_ms", type_=users.c.tokens_valid_after_ms.type),
    )
)
_END_SESSIONS = delete(sessions).where(sessions.c.user_id == bindparam("this_user"))
_ERASED_IDS = select(meta.c.value).where(meta.c.name == _ERASED)
_SET_ERASED_IDS = update(meta).where(meta.c.name == _ERASED).values(value=bindparam("erased_ids"))
_next_ids = (
    select(conversations.c.conversation_id)
    .where(conversations.c.conversation_id > bindparam("after_id"))
    .order_by(conversations.c.conversation_id)
    .limit(_CHUNK_CONVERSATIONS)
    .subquery()
)
_LAST_ID = select(func.max(_next_ids.c.conversation_id))
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


def erase_account(connection: Connection, user_id: str, now_ms: int) -> int:
    """Replace a user's personal data, disable the user, list them as erased, and return the number of deleted sessions.

    Raises:
        NotFound: no such account.
    """
    if connection.execute(_ERASE_ACCOUNT, {"this_user": user_id, "now_ms": now_ms}).rowcount == 0:
        raise NotFound("account", user_id)
    insert_unless_taken(connection, meta, {"name": _ERASED, "value": "[]"})
    erased_ids: list[str] = json.loads(connection.execute(_ERASED_IDS.with_for_update()).scalar_one())
    connection.execute(_SET_ERASED_IDS, {"erased_ids": json.dumps([*erased_ids, user_id][-_MAX_LISTED:])})
    return connection.execute(_END_SESSIONS, {"this_user": user_id}).rowcount


def erased_lately(connection: Connection) -> list[str]:
    """Return the ids of the most recently erased users."""
    erased_ids = connection.execute(_ERASED_IDS).scalar_one_or_none()
    return [] if erased_ids is None else json.loads(erased_ids)


def blank_messages(connection: Connection, user_id: str, after_id: str) -> tuple[str | None, int]:
    """Replace a user's messages in the next conversations after ``after_id``, in the order of their ids.

    The user's notes are replaced too; notes about the user are deleted, and so are reasons of hand-offs not sent yet.
    Returns the id of the last of these conversations (None: none is left) and the number of replaced messages.
    """
    last_id: str | None = connection.execute(_LAST_ID, {"after_id": after_id}).scalar_one()
    if last_id is None:
        return None, 0
    notes.erase(connection, user_id, after_id, last_id, name=ERASED_NAME, content=ERASED_CONTENT)
    deliveries.erase_reasons(connection, user_id, after_id, last_id)
    values = {"after_id": after_id, "last_id": last_id, "this_user": user_id}
    return last_id, connection.execute(_BLANK, values).rowcount
