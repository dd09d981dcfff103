"""What lasts: one port over SQL, with users, sessions, conversations, messages and read marks behind it.

A store is made by ``chatws.store.factory.make_store``; work on whole databases is in ``chatws.store.maintenance``. Both
are imported from there, because they bring SQLAlchemy and this package's names do not.
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
