"""Output lines of a child process, collected while it runs."""

from __future__ import annotations

import re
import threading
import time
from typing import IO


class OutputLines:
    """Lines of a text stream, read in a separate thread, so that the child never blocks on a full pipe."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def lines(self) -> list[str]:
        with self._changed:
            return self._lines.copy()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """Return the first match of ``pattern`` in any line, past or future.

        Raises:
            TimeoutError: no line matched in time.
            EOFError: the stream ended without a match.
        """
        deadline = time.monotonic() + timeout_s
        checked = 0
        with self._changed:
            while True:
                for line in self._lines[checked:]:
                    if match := re.search(pattern, line):
                        return match
                checked = len(self._lines)
                if self._ended:
                    raise EOFError(f"the output ended without a line like {pattern!r}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no line like {pattern!r} within {timeout_s} s")

    def join(self) -> None:
        """Wait until all output has been read; call it after the child has exited."""
        self._thread.join(timeout=60)

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
