"""Exception of a client that cannot be judged."""

from __future__ import annotations

from collections.abc import Iterable

from chatws_loadtest.text_summary import printable

LAST_LINES = 5
MAX_SHOWN = 200
"""Characters of a line of output that are shown."""


class ClientNotReady(Exception):
    """The client does not connect, join a conversation and send messages, even after a restart.

    ``missing`` is the first step that it did not take, ``ending`` its exit code if it has ended, ``lines`` its output.
    """

    def __init__(self, missing: str, lines: Iterable[str] = (), ending: str = "") -> None:
        super().__init__(missing)
        self.missing = missing
        self.ending = ending
        self.lines = [_shown(line) for line in list(lines)[-LAST_LINES:]]

    def __str__(self) -> str:
        ended = f"; it has ended with {self.ending}" if self.ending else ""
        printed = f"; its last output:\n{chr(10).join(self.lines)}" if self.lines else ""
        return f"the client {self.missing}, on a server without faults{ended}{printed}"


def _shown(line: str) -> str:
    """Return the beginning of a line, without characters that control a terminal."""
    return printable(line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}…")
