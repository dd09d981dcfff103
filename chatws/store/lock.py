"""Lock that prevents a second server from opening the same database file."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from chatws.store.errors import AlreadyRunning, Unavailable

if TYPE_CHECKING:
    from pathlib import Path


class ServerLock:
    """Exclusive lock on a file next to the database; the kernel releases it when the process ends in any way.

    Commands do not take it: SQLite itself serializes their writes with those of the server.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None  # while held

    def acquire(self) -> None:
        """Take the lock and write the process id into its file.

        Raises:
            AlreadyRunning: another server holds the lock.
            Unavailable: the file system reports an error.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).strip()
            os.close(descriptor)
            raise AlreadyRunning(str(self._database), int(holder) if holder.isdigit() else None) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock if it is held. The file stays: removing it would race with another server's ``acquire``."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
