"""Exception that ends a command with a line and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.exit_codes import ExitCode


class CommandExit(Exception):
    """End of the command with one line on standard error and an exit code."""

    def __init__(self, line: str, code: ExitCode) -> None:
        super().__init__(line, code)
        self.line = line
        self.code = code
