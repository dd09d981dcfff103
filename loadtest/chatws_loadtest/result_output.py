"""Output of a finished run: the result on standard output, the files of the report, and the changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.report.compare import Change, compare, describe_changes
from chatws_loadtest.report.markdown import write_markdown
from chatws_loadtest.results import Report
from chatws_loadtest.text_summary import describe

STEP_SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"
"""Environment variable with the file whose Markdown GitHub Actions shows on the page of the job."""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options that decide where a result goes."""

    as_json: bool
    folder: Path | None
    """Folder of the report; None: it is not written."""
    summary: Path | None
    """File of the summary in Markdown."""
    openmetrics: Path | None
    older: Report | None
    """Report that the result is compared with."""
    tolerance: float
    """Share by which a value may get worse."""


def put_out(result: Report, options: OutputOptions) -> bool:
    """Print the result, write its files, and return whether it has regressions since the older report.

    Raises:
        CommandExit: a file could not be written.
    """
    is_compared = options.older is not None and not result.partial
    changes = compare(options.older, result, options.tolerance) if options.older and is_compared else None
    try:
        print(msgspec.json.encode(result).decode() if options.as_json else describe(result), flush=True)
    finally:
        # Also if standard output is a closed pipe.
        _write_files(result, changes, options)
    if changes is None:
        return False
    print(describe_changes(changes), file=sys.stderr if options.as_json else sys.stdout)
    return any(change.is_regression for change in changes)


def _write_files(result: Report, changes: list[Change] | None, options: OutputOptions) -> None:
    # Imported here: they load prometheus_client and the parts of the HTML report, which most runs do not write.
    if options.folder is not None:
        from chatws_loadtest.report.files import write_report  # noqa: PLC0415

        folder = options.folder
        _write("--report", folder, lambda: write_report(result, folder))
    markdown = write_markdown(result, changes)
    if options.summary is not None:
        summary = options.summary
        _write("--summary", summary, lambda: summary.write_text(markdown, encoding="utf-8"))
    if options.openmetrics is not None:
        from chatws_loadtest.report.openmetrics import write_openmetrics  # noqa: PLC0415

        metrics = options.openmetrics
        _write("--openmetrics", metrics, lambda: metrics.write_bytes(write_openmetrics(result)))
    if step_summary := os.environ.get(STEP_SUMMARY_VARIABLE):
        _write(f"${STEP_SUMMARY_VARIABLE}", Path(step_summary), lambda: _append(Path(step_summary), markdown))


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _write(name: str, path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as problem:
        raise CommandExit(f"{name} {path} could not be written: {problem.strerror}", ExitCode.FAILED) from problem
