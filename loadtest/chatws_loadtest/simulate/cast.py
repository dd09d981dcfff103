"""People of every simulation: two agents and three customers, each customer with a conversation."""

from __future__ import annotations

from typing import Final

from chatws.protocol.entities import User

AGENTS: Final = ("anna", "bob")
CUSTOMERS: Final = ("cleo", "dan", "eve")


def user_of(device: str) -> User:
    """Return the user of a device; ``cleo.2`` is the second device of ``cleo``."""
    name = device.removesuffix(".2")
    return User(user_id=name, user_name=name.capitalize(), role="admin" if name in AGENTS else "customer")


def conversation_of(customer: str) -> str:
    """Return the id of a customer's conversation."""
    return f"conv-{customer}"


def session_of(customer: str) -> str:
    """Return the session id of a customer."""
    return f"session-of-{customer}"


def may_see(device: str, conversation_id: str) -> bool:
    """Return whether a device's user may see a conversation."""
    user = user_of(device)
    return user.role == "admin" or conversation_of(user.user_id) == conversation_id
