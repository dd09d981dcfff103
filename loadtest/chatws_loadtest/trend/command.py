"""Command line of ``chatws loadtest trend``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.trend.history import read_history
from chatws_loadtest.trend.text_table import describe_history


def trend(
    folder: Annotated[Path, typer.Argument(help="Folder of report.json files, at any depth.", metavar="DIR")],
    last: Annotated[int, typer.Option(metavar="N", min=2, help="Number of latest runs to use.")] = 30,
) -> None:
    """Show the measurements of many reports in the order of their start.

    Runs with the same scenario, users, rate, server and machine form a series. Partial and invalid runs are left out.
    """
    try:
        history = read_history(folder, last)
    except OSError as problem:
        raise CommandExit(f"{problem.filename} cannot be read: {problem.strerror}", ExitCode.USAGE) from problem
    if not history.series:
        raise CommandExit(f"{folder} holds no report of a complete, valid run", ExitCode.USAGE)
    print(describe_history(history))
