"""Accounts of users and sessions of customers, as the store returns them."""

from __future__ import annotations

import msgspec

from chatws.protocol.entities import User


class Account(msgspec.Struct, frozen=True):
    """User with login credentials; tokens issued before ``tokens_valid_after_ms`` are invalid."""

    user: User
    email: str | None
    password_hash: str | None
    disabled: bool
    tokens_valid_after_ms: int
    created_at_ms: int


class CustomerSession(msgspec.Struct, frozen=True):
    """Session of a customer; ``conversation_id`` is the customer's latest conversation, ``email`` the mail address."""

    user: User
    expires_at_ms: int
    conversation_id: str | None
    email: str | None = None
