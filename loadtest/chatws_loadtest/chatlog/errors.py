"""Exceptions of ``.chatlog`` files.

ChatlogError
├── ChatlogUnreadable   the file cannot be opened or is no recording
├── NewerVersion        a later release has written it
└── BrokenLine          one line is no record
"""

from __future__ import annotations

from pathlib import Path


class ChatlogError(Exception):
    """A recording cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ChatlogUnreadable(ChatlogError):
    """The file cannot be opened, or its first line is no header."""


class NewerVersion(ChatlogError):
    """The file has a version that this release does not know."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(path, f"version {version} is newer than {known}, which this release reads; update chatws")
        self.version = version


class BrokenLine(ChatlogError):
    """A line of the file is no record."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(path, f"line {line}: {reason}")
        self.line = line
