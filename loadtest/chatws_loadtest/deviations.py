"""Deviations of a server from the contract: number and first example of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

EXAMPLE_CHARS: Final = 160
"""Maximum length of an example in reports."""


class Deviation(msgspec.Struct, frozen=True):
    """Deviations of one kind: the metric that counts them, a description, their number and the first of them."""

    metric: str
    what: str
    count: int
    example: str = ""


class DeviationLog:
    """Deviations seen by one load process."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Deviation] = {}

    def add(self, metric: str, what: str, example: str = "", *, count: int = 1) -> None:
        """Count deviations; the first example of a kind is kept."""
        known = self._found.get((metric, what))
        total, kept = (count, example) if known is None else (known.count + count, known.example)
        self._found[metric, what] = Deviation(metric, what, total, kept[:EXAMPLE_CHARS])

    def count(self, metric: str) -> int:
        """Return the number of deviations that a metric counts."""
        return sum(found.count for found in self._found.values() if found.metric == metric)

    def found(self) -> list[Deviation]:
        return list(self._found.values())


def merge_deviations(found: Iterable[Deviation]) -> DeviationLog:
    """Add up the deviations of several processes."""
    merged = DeviationLog()
    for item in found:
        merged.add(item.metric, item.what, item.example, count=item.count)
    return merged


def describe_deviations(log: DeviationLog) -> dict[str, str]:
    """Describe the deviations of each metric, the most frequent first."""
    texts: dict[str, list[str]] = {}
    for item in sorted(log.found(), key=lambda item: -item.count):
        example = f", for example {item.example}" if item.example else ""
        texts.setdefault(item.metric, []).append(f"{item.count} {item.what}{example}")
    return {metric: "; ".join(lines) for metric, lines in texts.items()}
