"""What commands write: text or JSON on standard output, hints on standard error."""

from __future__ import annotations

import sys

import msgspec


def print_json(value: object) -> None:
    """Write one JSON object as one line, at once: a program may be waiting for it."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def hint(text: str) -> None:
    """Tell the person at the terminal something that is not the command's result."""
    print(text, file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    """Align columns; the last one is left as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
