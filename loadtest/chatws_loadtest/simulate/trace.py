"""Trace of a simulation: what happened, in words, with virtual times."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable


class SimulationTrace:
    """Lines of one run; they are formatted only when they are read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: list[tuple[float, str, tuple[object, ...]]] = []
        self._unordered: set[int] = set()
        """Indexes of lines whose order within their instant has no meaning."""

    def add(self, text: str, *values: object) -> None:
        """Add a line; ``values`` replace the ``{}`` of the text."""
        self._lines.append((self._clock(), text, values))

    def add_unordered(self, text: str, *values: object) -> None:
        """Add a line about a set, whose order differs from process to process."""
        self._unordered.add(len(self._lines))
        self.add(text, *values)

    def lines(self) -> list[str]:
        """Return the lines, each with its time in seconds; neighbouring unordered lines of one instant are sorted."""
        lines = [f"{at:9.4f}  {text.format(*values)}" for at, text, values in self._lines]
        groups = itertools.groupby(
            range(len(lines)), lambda index: self._lines[index][0] if index in self._unordered else -1 - index
        )
        return [line for _, indexes in groups for line in sorted(lines[index] for index in indexes)]

    def digest(self) -> str:
        """Return a hash of all lines, by which two runs are compared."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
