"""Alignment of the columns of a text table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def align(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Align the columns: the first to the left, the last unpadded, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        middle = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        yield "  " + "  ".join([row[0].ljust(widths[0]), *middle, row[-1]])
