"""What lasts: one port over SQL, with users, sessions, conversations, messages and read marks behind it."""

from __future__ import annotations

from chatws.store.port import (
    Account,
    AlreadyExists,
    AlreadyRunning,
    BadCursor,
    BadUrl,
    ConversationFilter,
    Damaged,
    Draft,
    IdempotencyConflict,
    NotFound,
    Page,
    SchemaMismatch,
    Session,
    Snapshot,
    StaleVersion,
    Store,
    Stored,
    StoreError,
    StoreUnusable,
    Unavailable,
)

__all__ = [
    "Account",
    "AlreadyExists",
    "AlreadyRunning",
    "BadCursor",
    "BadUrl",
    "ConversationFilter",
    "Damaged",
    "Draft",
    "IdempotencyConflict",
    "NotFound",
    "Page",
    "SchemaMismatch",
    "Session",
    "Snapshot",
    "StaleVersion",
    "Store",
    "StoreError",
    "StoreUnusable",
    "Stored",
    "Unavailable",
]
