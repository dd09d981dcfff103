"""File of messages that are not stored yet, so that messages typed offline survive a restart of the terminal."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_BUSY_S = 2.0


class SavedMessage(NamedTuple):
    """Message as it was posted; its id makes a retry harmless."""

    client_message_id: str
    conversation_id: str
    content: str


def outbox_path(data_dir: Path, server: str, user_id: str) -> Path:
    """Return the outbox file of one user on one server; ``server`` is a `server_name`."""
    return data_dir / "outbox" / f"{server}_{re.sub(r'[^A-Za-z0-9_-]', '_', user_id)}.db"


def server_name(url: str) -> str:
    """Return a file name for data about one server."""
    parts = urlsplit(url)
    return re.sub(r"[^A-Za-z0-9.-]", "_", f"{parts.scheme}_{parts.netloc}{parts.path.rstrip('/')}")


class OutboxFile:
    """SQLite file that only this user can read (0600); several terminals may share it.

    An added message survives a crash of the process immediately, and a power failure after some seconds.

    Raises:
        OSError, sqlite3.Error: the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS message (position INTEGER PRIMARY KEY AUTOINCREMENT,"
            " client_message_id TEXT UNIQUE NOT NULL, conversation_id TEXT NOT NULL, content TEXT NOT NULL)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, message: SavedMessage) -> None:
        """Save a message until `remove`; a message saved before keeps its position."""
        self._connection.execute(
            "INSERT OR IGNORE INTO message (client_message_id, conversation_id, content) VALUES (?, ?, ?)", message
        )

    def remove(self, client_message_id: str) -> None:
        """Delete a message that the server has stored or refused."""
        self._connection.execute("DELETE FROM message WHERE client_message_id = ?", (client_message_id,))

    def waiting(self) -> list[SavedMessage]:
        """Return all saved messages in the order posted."""
        rows = self._connection.execute(
            "SELECT client_message_id, conversation_id, content FROM message ORDER BY position"
        )
        with closing(rows):
            return [SavedMessage(*row) for row in rows]

    def close(self) -> None:
        """Close the file without deleting its messages."""
        self._connection.close()
