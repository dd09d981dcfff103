"""Exception of a client that cannot be judged."""

from __future__ import annotations

from collections.abc import Iterable

LAST_LINES = 5


class ClientNotReady(Exception):
    """The client does not connect, join a conversation and send messages, even after a restart.

    ``missing`` is the first step that it did not take, ``lines`` is its output.
    """

    def __init__(self, missing: str, lines: Iterable[str] = ()) -> None:
        super().__init__(missing)
        self.missing = missing
        self.lines = list(lines)[-LAST_LINES:]

    def __str__(self) -> str:
        printed = f"; its last output:\n{chr(10).join(self.lines)}" if self.lines else ""
        return f"the client {self.missing}, on a server without faults{printed}"
