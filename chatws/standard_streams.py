"""Standard streams that the caller has closed, whose encoding lacks a character, or whose reader has gone."""

from __future__ import annotations

import io
import os
import sys


def open_missing_streams() -> None:
    """Open /dev/null in place of the standard streams that the caller has closed, also for programs executed later.

    Python sets such a stream to None, and the next file opened, for example the database, would get its descriptor.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def replace_unencodable_characters() -> None:
    """Print a question mark for each character that the encoding of standard output lacks, instead of failing.

    Python does so for standard error only. Also UTF-8 lacks a form for the bytes of file names that are not UTF-8.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def abandon_stdout() -> None:
    """Redirect standard output to /dev/null after its reader has gone, for the last flush of the interpreter."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
