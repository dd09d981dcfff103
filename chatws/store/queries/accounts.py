"""Queries of user accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Connection, bindparam, case, func, select, update

from chatws.protocol.entities import Role, User
from chatws.store.errors import AlreadyExists, NotFound
from chatws.store.interface import Account
from chatws.store.queries.prepared import Prepared
from chatws.store.queries.rows import NewRow, insert_unless_taken
from chatws.store.schema import users

_AccountRow = tuple[str, str, Role, str | None, str | None, bool, int, int]

CONTACT_EMAIL = func.coalesce(users.c.contact_email, users.c.email)
"""A customer's mail address: as given by the customer or the site, else the one of their token."""

_ACCOUNTS = select(
    users.c.user_id,
    users.c.user_name,
    users.c.role,
    users.c.email,
    users.c.password_hash,
    users.c.disabled,
    users.c.tokens_valid_after_ms,
    users.c.created_at_ms,
)
_BY_ID = Prepared(_ACCOUNTS.where(users.c.user_id == bindparam("user_id")), ["user_id"])
_BY_IDS = _ACCOUNTS.where(users.c.user_id.in_(bindparam("user_ids", expanding=True)))
_BY_EMAIL = _ACCOUNTS.where(users.c.email == bindparam("email"))
_AGENTS = _ACCOUNTS.where(users.c.role == "admin").order_by(users.c.created_at_ms, users.c.user_id)
_THIS_USER = users.c.user_id == bindparam("this_user")
_SET_PASSWORD = update(users).where(_THIS_USER).values(password_hash=bindparam("value"))
_SET_DISABLED = update(users).where(_THIS_USER).values(disabled=bindparam("value"))
_SET_CONTACT_EMAIL = update(users).where(_THIS_USER).values(contact_email=bindparam("value"))
_REVOKE_TOKENS = (
    update(users)
    .where(_THIS_USER)
    .values(
        tokens_valid_after_ms=case(
            (users.c.tokens_valid_after_ms < bindparam("value"), bindparam("value")),
            else_=users.c.tokens_valid_after_ms,
        )
    )
)

_CHUNK_IDS = 1_000
"""SQLite takes at most 32,766 parameters in a statement."""


def find(connection: Connection, user_id: str) -> Account | None:
    """Return the account with this id."""
    row = _BY_ID.first(connection, (user_id,))
    return None if row is None else _account(*cast("_AccountRow", row))


def find_by_email(connection: Connection, email: str) -> Account | None:
    """Return the account with this email."""
    row = connection.execute(_BY_EMAIL, {"email": _email_key(email)}).first()
    return None if row is None else _account(*row)


def find_all(connection: Connection, user_ids: Sequence[str]) -> list[Account]:
    """Return the accounts with these ids."""
    found: list[Account] = []
    for start in range(0, len(user_ids), _CHUNK_IDS):
        chunk = user_ids[start : start + _CHUNK_IDS]
        found.extend(_account(*row) for row in connection.execute(_BY_IDS, {"user_ids": chunk}))
    return found


def agents(connection: Connection) -> list[Account]:
    """Return the accounts of all agents, oldest first."""
    return [_account(*row) for row in connection.execute(_AGENTS)]


def add(connection: Connection, user: User, email: str | None, password_hash: str | None, now_ms: int) -> Account:
    """Insert an account.

    Raises:
        AlreadyExists: the user id or the email is taken.
    """
    if not _insert(connection, user, email, password_hash, now_ms):
        raise AlreadyExists("email" if find(connection, user.user_id) is None else "user_id")
    return _existing(connection, user.user_id)


def ensure(connection: Connection, user: User, email: str | None, now_ms: int) -> Account:
    """Return the user's account; insert a missing one, without the email if that is taken."""
    account = find(connection, user.user_id)
    if account is not None:
        return account
    if not _insert(connection, user, email, None, now_ms) and email is not None:
        _insert(connection, user, None, None, now_ms)
    return _existing(connection, user.user_id)


def set_password(connection: Connection, user_id: str, password_hash: str) -> None:
    """Replace the password hash."""
    _require_row(connection.execute(_SET_PASSWORD, {"this_user": user_id, "value": password_hash}).rowcount, user_id)


def set_disabled(connection: Connection, user_id: str, *, disabled: bool) -> None:
    """Disable or enable the user."""
    _require_row(connection.execute(_SET_DISABLED, {"this_user": user_id, "value": disabled}).rowcount, user_id)


def revoke_tokens(connection: Connection, user_id: str, valid_after_ms: int) -> None:
    """Invalidate the tokens issued before a time; an earlier time than the stored one changes nothing."""
    _require_row(connection.execute(_REVOKE_TOKENS, {"this_user": user_id, "value": valid_after_ms}).rowcount, user_id)


def set_contact_email(connection: Connection, user_id: str, email: str) -> None:
    """Replace a customer's mail address."""
    _require_row(connection.execute(_SET_CONTACT_EMAIL, {"this_user": user_id, "value": email}).rowcount, user_id)


def _insert(connection: Connection, user: User, email: str | None, password_hash: str | None, now_ms: int) -> bool:
    row: NewRow = {
        "user_id": user.user_id,
        "user_name": user.user_name,
        "role": user.role,
        "email": None if email is None else _email_key(email),
        "password_hash": password_hash,
        "disabled": False,
        "tokens_valid_after_ms": 0,
        "created_at_ms": now_ms,
    }
    return insert_unless_taken(connection, users, row)


def _existing(connection: Connection, user_id: str) -> Account:
    account = find(connection, user_id)
    assert account is not None
    return account


def _account(  # noqa: PLR0917  one parameter per column of a row
    user_id: str,
    user_name: str,
    role: Role,
    email: str | None,
    password_hash: str | None,
    disabled: bool,  # noqa: FBT001  in the order of the columns
    tokens_valid_after_ms: int,
    created_at_ms: int,
) -> Account:
    return Account(
        user=User(user_id=user_id, user_name=user_name, role=role),
        email=email,
        password_hash=password_hash,
        disabled=bool(disabled),  # SQLite returns 0 or 1
        tokens_valid_after_ms=tokens_valid_after_ms,
        created_at_ms=created_at_ms,
    )


def _email_key(email: str) -> str:
    return email.strip().casefold()


def _require_row(row_count: int, user_id: str) -> None:
    if row_count == 0:
        raise NotFound("account", user_id)
