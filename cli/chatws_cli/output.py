"""What commands write: text or JSON on standard output, hints on standard error."""

from __future__ import annotations

import os
import sys


def print_json(value: object) -> None:
    """Write one JSON object as one line, at once: a program may be waiting for it."""
    import msgspec  # costs 25 ms, which --version need not pay

    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def abandon_stdout() -> None:
    """Write nowhere from now on: who read our output has gone, and the interpreter's last flush would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
    """Read and write nowhere where the caller has closed a standard stream.

    Python leaves None in its place, and the next file that is opened, the database perhaps, would take its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we run


def hint(text: str) -> None:
    """Tell the person at the terminal something that is not the command's result."""
    print(text, file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    """Align columns; the last one is left as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
