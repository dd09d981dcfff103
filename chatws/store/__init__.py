"""Persistent storage of users, sessions, conversations, messages and read marks in SQLite or PostgreSQL.

``chatws.store.factory.make_store`` creates a store; ``chatws.store.maintenance`` operates on whole databases. Both are
imported from their modules, because they load SQLAlchemy and the names of this package do not.
"""

from __future__ import annotations

from chatws.store.errors import (
    AlreadyExists,
    AlreadyRunning,
    BadCursor,
    BadUrl,
    Damaged,
    IdempotencyConflict,
    NotFound,
    SchemaMismatch,
    StaleVersion,
    StoreError,
    StoreUnusable,
    Unavailable,
)
from chatws.store.interface import (
    Account,
    ConversationFilter,
    CustomerSession,
    Draft,
    Head,
    MessagePage,
    Snapshot,
    Store,
    Stored,
)

__all__ = [
    "Account",
    "AlreadyExists",
    "AlreadyRunning",
    "BadCursor",
    "BadUrl",
    "ConversationFilter",
    "CustomerSession",
    "Damaged",
    "Draft",
    "Head",
    "IdempotencyConflict",
    "MessagePage",
    "NotFound",
    "SchemaMismatch",
    "Snapshot",
    "StaleVersion",
    "Store",
    "StoreError",
    "StoreUnusable",
    "Stored",
    "Unavailable",
]
