"""Everything a store raises on purpose.

StoreError
 ├─ NotFound             no such account, session or conversation
 ├─ AlreadyExists        the user id or the email is taken
 ├─ IdempotencyConflict  the client's message id was used for other content
 ├─ StaleVersion         carries the conversation as it is now
 ├─ BadCursor            not a cursor of ours
 ├─ Unavailable          nothing can be stored or read right now; the same request may succeed later
 └─ StoreUnusable        opening can not succeed until somebody acts
     ├─ BadUrl           no backend for this database URL
     ├─ AlreadyRunning   another server holds the database; carries its process id
     ├─ SchemaMismatch   the database was made by an older or newer chatws
     └─ Damaged          the file is corrupt or is not a chatws database
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation


class StoreError(Exception):
    """Base of everything a store raises on purpose."""


class NotFound(StoreError):
    """The row a request names does not exist."""

    def __init__(self, kind: str, row_id: str) -> None:
        super().__init__(kind, row_id)
        self.kind = kind
        self.row_id = row_id

    def __str__(self) -> str:
        # Session ids are secrets, so the id stays out of the text.
        return f"no such {self.kind}"


class AlreadyExists(StoreError):
    """A value that must be unique is taken; ``field`` is ``user_id`` or ``email``."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field

    def __str__(self) -> str:
        return f"this {self.field} is taken"


class IdempotencyConflict(StoreError):
    """The sender used this client message id for other content in this conversation."""

    def __init__(self, client_message_id: str) -> None:
        super().__init__(client_message_id)
        self.client_message_id = client_message_id

    def __str__(self) -> str:
        return "this client message id was used for other content"


class StaleVersion(StoreError):
    """The conversation has another version (or, for a bot's draft, is no longer the bot's)."""

    def __init__(self, current: Conversation) -> None:
        super().__init__(current)
        self.current = current

    def __str__(self) -> str:
        return f"the conversation is at version {self.current.version}, status {self.current.status}"


class BadCursor(StoreError):
    """A paging cursor that this store did not make."""

    def __str__(self) -> str:
        return "not a valid cursor"


class Unavailable(StoreError):
    """Locked past the busy timeout, disk full, I/O error, read-only, queue full, or closed.

    For a write the outcome is unknown: it may have been stored.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store is unavailable: {self.reason}"


class StoreUnusable(StoreError):
    """The store can not be opened until somebody acts; the text says what to do."""


class BadUrl(StoreUnusable, ValueError):
    """The database URL names no backend of ours."""


class AlreadyRunning(StoreUnusable):
    """Another process holds the server's lock; ``pid`` is None if it has not written its number yet."""

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(path, pid)
        self.path = path
        self.pid = pid

    def __str__(self) -> str:
        holder = f"process {self.pid}" if self.pid else "another process"
        return f"{self.path} is in use by a server ({holder}); stop it, or give this one its own database"


class SchemaMismatch(StoreUnusable):
    """The database has revision ``found``, this program needs ``wanted``."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        if self.found < self.wanted:
            return f"the database has revision {self.found}, {self.wanted} is needed; run 'chatws db upgrade'"
        return f"the database has revision {self.found}, made by a newer chatws than this one ({self.wanted})"


class Damaged(StoreUnusable):
    """The file is corrupt or holds something else than a chatws database."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} can not be used: {self.reason}; restore a backup with 'chatws db restore'"
