"""Writer of lines in a thread of its own, so that a slow reader of the output does not delay the analysis."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

MAX_LINES: Final = 50_000
MAX_BYTES: Final = 16 * 1024 * 1024
CHECK_S: Final = 0.25
"""Interval of checks for a reader that has gone while there is nothing to write."""

END_TIMEOUT_S: Final = 2.0
"""Time in which the reader has to take the last lines."""


class LineWriter:
    """Bounded queue of lines to a file descriptor; lines that do not fit are counted, and a later line says so.

    ``on_failure`` is called in the thread, with the error, when the descriptor no longer takes bytes.
    """

    def __init__(
        self, descriptor: int, on_failure: Callable[[OSError], None], gap_line: Callable[[int], bytes]
    ) -> None:
        self._descriptor = descriptor
        self._on_failure = on_failure
        self._gap_line = gap_line
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._skipped = 0
        self._changed = threading.Condition()
        # Whether the thread waits for a first line.
        self._is_idle = False
        self._is_ended = False
        self._thread = threading.Thread(target=self._run, name="tap output", daemon=True)
        self._thread.start()

    def write(self, lines: Sequence[bytes]) -> None:
        """Add lines, which end with a newline."""
        with self._changed:
            for line in lines:
                if len(self._lines) >= MAX_LINES or self._bytes + len(line) > MAX_BYTES:
                    self._skipped += 1
                    continue
                if self._skipped and len(self._lines) < MAX_LINES // 2:
                    self._append(self._gap_line(self._skipped))
                    self._skipped = 0
                self._append(line)
            if self._is_idle and self._lines:
                self._is_idle = False
                self._changed.notify()

    def close(self) -> None:
        """Write the remaining lines, within a bounded time."""
        with self._changed:
            if self._skipped:
                self._append(self._gap_line(self._skipped))
            self._is_ended = True
            self._changed.notify()
        self._thread.join(END_TIMEOUT_S)

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _run(self) -> None:
        condition = select.poll()
        condition.register(self._descriptor, 0)
        while True:
            with self._changed:
                while not self._lines and not self._is_ended:
                    self._is_idle = True
                    self._changed.wait(CHECK_S)
                    # The writing end of a pipe has an error condition once the reading end is closed.
                    if condition.poll(0):
                        self._on_failure(BrokenPipeError())
                        return
                if not self._lines:
                    return
                batch = b"".join(self._lines)
                self._lines.clear()
                self._bytes = 0
            try:
                while batch:
                    batch = batch[os.write(self._descriptor, batch) :]
            except OSError as problem:
                self._on_failure(problem)
                return
