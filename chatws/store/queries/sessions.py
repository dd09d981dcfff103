"""Queries of customer sessions; session ids are stored only as SHA-256 hashes."""

from __future__ import annotations

import hashlib
from typing import cast

from sqlalchemy import Connection, bindparam, case, select, update

from chatws.protocol.entities import ConversationStatus, Role, User
from chatws.store.errors import NotFound
from chatws.store.interface import CustomerSession
from chatws.store.queries import accounts, conversations
from chatws.store.queries.prepared import Prepared
from chatws.store.queries.rows import NewRow, insert_unless_taken
from chatws.store.schema import conversations as conversation_rows
from chatws.store.schema import sessions, users

_SessionRow = tuple[str, str, Role, str | None, int, str | None]

_LATEST_CONVERSATION = (
    select(conversation_rows.c.conversation_id)
    .where(conversation_rows.c.customer_id == sessions.c.user_id)
    .order_by(conversation_rows.c.created_at_ms.desc(), conversation_rows.c.conversation_id.desc())
    .limit(1)
    .scalar_subquery()
)
_BY_HASH = Prepared(
    select(
        users.c.user_id,
        users.c.user_name,
        users.c.role,
        accounts.CONTACT_EMAIL,
        sessions.c.expires_at_ms,
        _LATEST_CONVERSATION,
    )
    .join_from(sessions, users)
    .where(sessions.c.session_sha256 == bindparam("sha256")),
    ["sha256"],
)
_TOUCH = (
    update(sessions)
    .where(sessions.c.session_sha256 == bindparam("sha256"))
    .values(
        expires_at_ms=case(
            (sessions.c.expires_at_ms < bindparam("later_ms"), bindparam("later_ms")),
            else_=sessions.c.expires_at_ms,
        )
    )
)


def find(connection: Connection, session_id: str) -> CustomerSession | None:
    """Return a session, even an expired one, with the customer's latest conversation."""
    row = _BY_HASH.first(connection, (_sha256(session_id),))
    return None if row is None else _session(*cast("_SessionRow", row))


def create(  # noqa: PLR0917  the arguments of Store.create_session and the time
    connection: Connection,
    session_id: str,
    user: User,
    expires_at_ms: int,
    conversation_id: str | None,
    status: ConversationStatus,
    email: str | None,
    now_ms: int,
) -> CustomerSession:
    """Insert user, session and conversation; an existing session is returned unchanged."""
    existing = find(connection, session_id)
    if existing is not None:
        return existing
    customer = accounts.ensure(connection, user, None, now_ms).user
    if email is not None:
        accounts.set_contact_email(connection, customer.user_id, email)
    row: NewRow = {
        "session_sha256": _sha256(session_id),
        "user_id": customer.user_id,
        "expires_at_ms": expires_at_ms,
        "created_at_ms": now_ms,
    }
    # Two servers may create the same session at the same time; the second one inserts nothing.
    if insert_unless_taken(connection, sessions, row) and conversation_id is not None:
        conversations.create(connection, conversation_id, customer, status, now_ms)
    created = find(connection, session_id)
    assert created is not None
    return created


def touch(connection: Connection, session_id: str, expires_at_ms: int) -> None:
    """Extend a session; an earlier expiry changes nothing."""
    if connection.execute(_TOUCH, {"sha256": _sha256(session_id), "later_ms": expires_at_ms}).rowcount == 0:
        raise NotFound("session", session_id)


def _session(  # noqa: PLR0917  one parameter per column of a row
    user_id: str, user_name: str, role: Role, email: str | None, expires_at_ms: int, conversation_id: str | None
) -> CustomerSession:
    user = User(user_id=user_id, user_name=user_name, role=role)
    return CustomerSession(user, expires_at_ms, conversation_id, email)


def _sha256(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
