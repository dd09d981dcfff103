"""Exceptions of scenario files: an invalid file, people that cannot connect, a step that failed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Position(NamedTuple):
    """Place in a file; both numbers count from 1."""

    line: int
    column: int


class ScenarioFileError(Exception):
    """The file cannot be read, or is not a scenario file."""

    def __init__(self, path: Path, reason: str, at: Position | None = None) -> None:
        super().__init__(path, reason, at)
        self.path = path
        self.reason = reason
        self.at = at

    def __str__(self) -> str:
        place = "" if self.at is None else f":{self.at.line}:{self.at.column}"
        return f"{self.path}{place}: {self.reason}"


class InvalidNode(Exception):
    """A part of the file is not what the grammar allows there; the reader adds the path of the file."""

    def __init__(self, at: Position, reason: str) -> None:
        super().__init__(at, reason)
        self.at = at
        self.reason = reason


class PersonNotConnected(Exception):
    """A person could not connect before the first step."""

    def __init__(self, person: str, reason: str, *, is_refusal: bool) -> None:
        super().__init__(person, reason)
        self.person = person
        self.reason = reason
        self.is_refusal = is_refusal
        """The server is reachable and refused the credentials or the conversation."""

    def __str__(self) -> str:
        return f"{self.person} could not connect: {self.reason}"


class StepFailed(Exception):
    """A step did not do what the file requires."""

    def __init__(self, reason: str, *, expected: str = "", person: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.expected = expected
        self.person = person
        """Person whose last events explain the failure; empty: the step's own."""


class StepNotJudgeable(Exception):
    """A step allows no conclusion about the server; the text gives the reason."""
