"""Output of commands: text or JSON on standard output, hints on standard error."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def print_json(value: object) -> None:
    """Write one JSON object as one line and flush, because a program may wait for it."""
    import msgspec  # takes 25 ms, which --version must not pay

    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def watch_stdout_reader(loop: asyncio.AbstractEventLoop, gone: Callable[[], object]) -> None:
    """Call ``gone`` as soon as the reader of standard output closes its end, if that is a pipe.

    Without this, a command that has nothing to write would run until its next line (compare ``tail -f`` of coreutils).
    """
    try:
        descriptor = sys.stdout.fileno()
    except OSError:  # it has been replaced by an object in memory
        return
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return

    def report() -> None:
        loop.remove_reader(descriptor)
        gone()

    # The writing end of a pipe never becomes readable: the event loop reports its error condition, which is the close.
    loop.add_reader(descriptor, report)


def hint(text: str) -> None:
    """Print a remark that is not part of the command's result."""
    print(text, file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows with aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
