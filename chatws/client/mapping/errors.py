"""Errors of mapping files, and of servers that differ from their mapping.

Exception
├── MappingError    the file is invalid
├── NotMapped       the mapping has no such command or event
└── msgspec.ValidationError
    └── AckShapeError   an ack has another shape than the mapping describes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class MappingError(Exception):
    """Mapping file that cannot be used."""

    def __init__(self, path: Path, problem: str, *, key: str = "", line: int | None = None) -> None:
        super().__init__(path, problem, key, line)
        self.path = path
        self.problem = problem
        self.key = key
        """Dotted name of the key; empty if the file as a whole is invalid."""
        self.line = line
        """Line of the key, or of its table; None if it is unknown."""

    def __str__(self) -> str:
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.key}: {self.problem}" if self.key else f"{place}: {self.problem}"


class NotMapped(Exception):
    """The mapping file describes no such command or event: the server does not offer it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the mapping file has no {self.name}"


class AckShapeError(msgspec.ValidationError):
    """Ack of another shape than the mapping describes."""
