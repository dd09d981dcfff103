"""Writer of ``.chatlog`` files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec

from chatws_loadtest.chatlog.records import VERSION, ChatlogHeader, Record, Source

FLUSH_S: Final = 1.0
"""Longest time for which a record stays in memory while others follow; `flush` writes it at once."""

FLUSH_BYTES: Final = 256 * 1024


class ChatlogWriter:
    """File of records; a killed process loses at most those of the last second.

    A writer has no task or thread of its own: a tool that may be silent for long calls `flush` once a second.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        url: str,
        *,
        with_content: bool = False,
        start_s: float | None = None,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Create the file and write the header; ``start_s`` is the time of ``t`` = 0 on ``time.perf_counter``.

        With ``flush_s`` 0, each record is in the file at once.

        Raises:
            OSError: the file cannot be created.
        """
        self.start_s = time.perf_counter() if start_s is None else start_s
        self.with_content = with_content
        self.records = 0
        """Number of records written."""
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._flush_s = flush_s
        self._flushed_s = self.start_s
        # Unbuffered: `_buffer` is the only copy of what the kernel does not have yet.
        self._file = path.open("wb", buffering=0)
        created_at = datetime.fromtimestamp(time.time() - (time.perf_counter() - self.start_s), UTC)
        header = ChatlogHeader(
            version=VERSION,
            created_at=created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            source=source,
            url=mask_url(url),
            with_content=with_content,
        )
        self._file.write(self._encoder.encode(header) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def t(self, at_s: float | None = None) -> float:
        """Return the time of a record: of now, or of a time on ``time.perf_counter``."""
        return round((time.perf_counter() if at_s is None else at_s) - self.start_s, 6)

    def write(self, record: Record) -> None:
        """Append a record; after `close`, nothing is recorded."""
        if self._file.closed:
            return
        self._encoder.encode_into(record, self._buffer, -1)
        self._buffer += b"\n"
        self.records += 1
        now_s = time.perf_counter()
        if now_s - self._flushed_s >= self._flush_s or len(self._buffer) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass all records to the kernel.

        Raises:
            OSError: the disk is full, for example.
        """
        pending, self._buffer = memoryview(self._buffer), bytearray()
        while pending:
            pending = pending[self._file.write(pending) :]
        self._flushed_s = time.perf_counter()

    def close(self) -> None:
        """Write what is left, and close the file; may be called again."""
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()


def mask_url(url: str) -> str:
    """Return a URL without user name, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
