"""Exceptions of a store.

StoreError
 ├─ NotFound             no such account, session or conversation
 ├─ AlreadyExists        the user id or the email is taken
 ├─ IdempotencyConflict  the client's message id was used for other content
 ├─ StaleVersion         the conversation has another version; carries its current state
 ├─ BadCursor            not a cursor of this store
 ├─ Unavailable          temporary failure: the same request may succeed later
 └─ StoreUnusable        opening cannot succeed until the operator acts
     ├─ BadUrl           no backend for this database URL
     ├─ AlreadyRunning   another server holds the database; carries its process id
     ├─ SchemaMismatch   the database was created by an older or newer chatws
     └─ Damaged          the file is corrupt or is not a chatws database
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation


class StoreError(Exception):
    """Base of the exceptions of a store."""


class NotFound(StoreError):
    """Unknown account, session or conversation."""

    def __init__(self, kind: str, row_id: str) -> None:
        super().__init__(kind, row_id)
        self.kind = kind
        self.row_id = row_id

    def __str__(self) -> str:
        # Session ids are secrets, so the id stays out of the text.
        return f"no such {self.kind}"


class AlreadyExists(StoreError):
    """Conflict with an existing unique value; ``field`` is ``user_id`` or ``email``."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field

    def __str__(self) -> str:
        return f"this {self.field} is taken"


class IdempotencyConflict(StoreError):
    """Reuse of a client message id by the same sender for other content in the same conversation."""

    def __init__(self, client_message_id: str) -> None:
        super().__init__(client_message_id)
        self.client_message_id = client_message_id

    def __str__(self) -> str:
        return "this client message id was used for other content"


class StaleVersion(StoreError):
    """Version conflict, or, for a bot's draft, a conversation that is no longer assigned to the bot."""

    def __init__(self, current: Conversation) -> None:
        super().__init__(current)
        self.current = current

    def __str__(self) -> str:
        return f"the conversation is at version {self.current.version}, status {self.current.status}"


class BadCursor(StoreError):
    """Paging cursor that this store did not issue."""

    def __str__(self) -> str:
        return "not a valid cursor"


class Unavailable(StoreError):
    """Temporary failure: lock timeout, disk full, I/O error, read-only database, full queue, or closed store.

    The outcome of a write is unknown: it may have been stored.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store is unavailable: {self.reason}"


class StoreUnusable(StoreError):
    """Store that cannot be opened until the operator acts; the text contains the advice."""


class BadUrl(StoreUnusable, ValueError):
    """Database URL without a supported backend."""


class AlreadyRunning(StoreUnusable):
    """Server lock held by another process; ``pid`` is None if that process has not written its id yet."""

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(path, pid)
        self.path = path
        self.pid = pid

    def __str__(self) -> str:
        holder = f"process {self.pid}" if self.pid else "another process"
        return f"{self.path} is in use by a server ({holder}); stop it, or give this one its own database"


class SchemaMismatch(StoreUnusable):
    """Database with schema revision ``found`` where this program needs ``wanted``."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        if self.found < self.wanted:
            return f"the database has revision {self.found}, {self.wanted} is needed; run 'chatws db upgrade'"
        return f"the database has revision {self.found}, created by a newer chatws than this one ({self.wanted})"


class Damaged(StoreUnusable):
    """File that is corrupt or is not a chatws database."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} cannot be used: {self.reason}; restore a backup with 'chatws db restore'"
