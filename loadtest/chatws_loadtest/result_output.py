"""Output of a finished run: the result on standard output, the files of the report, and the changes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.report.compare import compare, describe_changes
from chatws_loadtest.report.files import write_report
from chatws_loadtest.results import Report
from chatws_loadtest.text_summary import describe


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options that decide where a result goes."""

    as_json: bool
    folder: Path | None
    """Folder of the report; None: it is not written."""
    older: Report | None
    """Report that the result is compared with."""
    tolerance: float
    """Share by which a value may get worse."""


def put_out(result: Report, options: OutputOptions) -> bool:
    """Print the result, write its files, and return whether it has regressions since the older report.

    Raises:
        CommandExit: a file could not be written.
    """
    try:
        print(msgspec.json.encode(result).decode() if options.as_json else describe(result), flush=True)
    finally:
        # Also if standard output is a closed pipe.
        if options.folder is not None:
            _write(result, options.folder)
    if options.older is None or result.partial:
        return False
    changes = compare(options.older, result, options.tolerance)
    print(describe_changes(changes), file=sys.stderr if options.as_json else sys.stdout)
    return any(change.is_regression for change in changes)


def _write(result: Report, folder: Path) -> None:
    try:
        write_report(result, folder)
    except OSError as problem:
        raise CommandExit(f"--report {folder} could not be written: {problem.strerror}", ExitCode.FAILED) from problem
