"""Command line of ``chatws loadtest trend``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit

if TYPE_CHECKING:
    from chatws_loadtest.trend.history import RunHistory
    from chatws_loadtest.trend.regressions import SeriesTrend


def trend(
    folder: Annotated[Path, typer.Argument(help="Folder of report.json files, at any depth.", metavar="DIR")],
    last: Annotated[int, typer.Option(metavar="N", min=2, help="Number of latest runs to use.")] = 30,
    html: Annotated[Path | None, typer.Option(help="File for a page with plots.", metavar="FILE")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the measurements of many reports in the order of their start, and find creeping regressions.

    Runs with the same scenario, profile, users, rate, transport, server, mapping and machine form a series. Partial and
    invalid runs are left out.
    Exit codes: 0 no regression, 99 a regression, 2 wrong usage.
    """
    # Imported here: `chatws loadtest` has this command as a subcommand, and needs none of them.
    from chatws_loadtest.trend.history import read_history  # noqa: PLC0415
    from chatws_loadtest.trend.page import write_page  # noqa: PLC0415
    from chatws_loadtest.trend.regressions import find_trends  # noqa: PLC0415
    from chatws_loadtest.trend.text_table import describe_trends  # noqa: PLC0415

    if not folder.is_dir():
        raise CommandExit(f"{folder} is not a folder", ExitCode.USAGE)
    try:
        history = read_history(folder, last)
    except OSError as problem:
        raise CommandExit(f"{problem.filename} cannot be read: {problem.strerror}", ExitCode.USAGE) from problem
    if not history.series:
        omitted = "".join(f"\n  left out: {run.file}: {run.reason}" for run in history.omitted)
        raise CommandExit(f"{folder} holds no report of a complete, valid run{omitted}", ExitCode.USAGE)
    trends = find_trends(history.series)
    print(_to_json(trends, history) if as_json else describe_trends(trends, history))
    if html is not None:
        _write(html, write_page(trends, history))
    found = any(row.is_regression for row in trends)
    raise typer.Exit(ExitCode.TARGET_MISSED if found else ExitCode.DONE)


def _to_json(trends: Sequence[SeriesTrend], history: RunHistory) -> str:
    rows = [
        {
            **msgspec.to_builtins(trend.series.group),
            "name": trend.series.name,
            "unit": trend.series.unit,
            "points": [{"startedAt": point.started_at, "value": point.value} for point in trend.series.points],
            "slopePerRun": trend.slope,
            "pValue": trend.p_value,
            "isRegression": trend.is_regression,
        }
        for trend in trends
    ]
    return msgspec.json.encode({"series": rows, "omitted": history.omitted}).decode()


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise CommandExit(f"--html {file} could not be written: {problem.strerror}", ExitCode.FAILED) from problem
