"""Trace of a simulation: what happened, in words, with virtual times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class SimulationTrace:
    """Lines of one run; they are formatted only when they are read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: list[tuple[float, str, tuple[object, ...]]] = []

    def add(self, text: str, *values: object) -> None:
        """Add a line; ``values`` replace the ``{}`` of the text."""
        self._lines.append((self._clock(), text, values))

    def lines(self) -> list[str]:
        """Return the lines, each with its time in seconds."""
        return [f"{at:9.4f}  {text.format(*values)}" for at, text, values in self._lines]

    def digest(self) -> str:
        """Return a hash of all lines, by which two runs are compared."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
