"""Output of commands: text or JSON on standard output, hints on standard error."""

from __future__ import annotations

import os
import sys


def print_json(value: object) -> None:
    """Write one JSON object as one line and flush, because a program may wait for it."""
    import msgspec  # takes 25 ms, which --version must not pay

    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def abandon_stdout() -> None:
    """Redirect standard output to /dev/null after its reader has gone, for the last flush of the interpreter."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
    """Open /dev/null in place of the standard streams that the caller has closed.

    Python sets such a stream to None, and the next file opened, for example the database, would get its descriptor.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the process ends


def hint(text: str) -> None:
    """Print a remark that is not part of the command's result."""
    print(text, file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows with aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
