"""Checks of the options of ``chatws loadtest``: thresholds, scenarios, files and limits of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.machine import raise_file_limit
from chatws_loadtest.results import Report, read_json
from chatws_loadtest.scenario_file.errors import ScenarioFileError
from chatws_loadtest.scenarios import DEFAULT_SCENARIOS, SCENARIOS
from chatws_loadtest.thresholds import (
    Threshold,
    ThresholdError,
    combine,
    default_thresholds,
    delivery_thresholds,
    parse_threshold,
    read_thresholds,
)

if TYPE_CHECKING:
    from chatws_loadtest.scenario_file.load_profile import LoadProfile

EXTRA_FILES: Final = 64
"""Open files that a load process needs in addition to its connections."""

FILES_PER_USER: Final = {
    TransportChoice.WEBSOCKET: 1,
    TransportChoice.POLLING: 2,
    TransportChoice.UPGRADE: 3,
    TransportChoice.MIX: 2,
}
"""Connections of a user at most; of the users of a mix on average."""


def find_thresholds(texts: list[str], file: Path | None, users: int) -> list[Threshold]:
    """Combine the default thresholds, or those of a file, with the ones given one by one."""
    try:
        base = default_thresholds(users) if file is None else read_thresholds(file)
        return combine(delivery_thresholds(), base, map(parse_threshold, texts))
    except ThresholdError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem


def find_added_thresholds(texts: list[str], file: Path | None) -> list[Threshold]:
    """Combine the thresholds of correct delivery with those of a file and the ones given one by one."""
    try:
        return combine(
            delivery_thresholds(), [] if file is None else read_thresholds(file), map(parse_threshold, texts)
        )
    except ThresholdError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem


def find_scenarios(names: list[str] | None, targets: list[str], transport: TransportChoice) -> list[str]:
    """Check the names of the scenarios, and that one of them measures the metric of each threshold."""
    chosen = list(names or DEFAULT_SCENARIOS)
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        raise CommandExit(f"there is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}", ExitCode.USAGE)
    measured = frozenset().union(*(SCENARIOS[name].metrics for name in chosen))
    if transport not in {TransportChoice.UPGRADE, TransportChoice.MIX}:
        measured -= {"upgrade"}
    unused = [threshold.text for threshold in map(parse_threshold, targets) if threshold.metric not in measured]
    if unused:
        raise CommandExit(f"{unused[0]}: none of {', '.join(chosen)} measures that", ExitCode.USAGE)
    return chosen


def require_open_files(users: int, transport: TransportChoice) -> None:
    """Make sure that a load process can open its connections."""
    allowed, needed = raise_file_limit(), users * FILES_PER_USER[transport] + EXTRA_FILES
    if allowed < needed:
        raise CommandExit(f"{needed} open files are needed and {allowed} allowed; see ulimit -n", ExitCode.USAGE)


def create_folder(folder: Path) -> None:
    """Create the folder of the report before the run: an error after it would lose the results."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CommandExit(f"--report {folder} cannot be used: {problem.strerror}", ExitCode.USAGE) from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandExit(f"--report {folder} cannot be written to", ExitCode.USAGE)


def require_writable(file: Path) -> None:
    """Refuse a file that cannot be written before the run, as `create_folder` does."""
    folder = file.parent
    if file.is_dir() or not folder.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise CommandExit(f"{file} cannot be written to", ExitCode.USAGE)


def read_profile(path: Path, scenarios: list[str] | None, duration_s: float | None) -> LoadProfile:
    """Read the users' habits from a scenario file, whose stages replace the steps and the duration of ``steady``."""
    # Imported here: runs without a scenario file do not need the YAML parser and the grammar.
    from chatws_loadtest.scenario_file.load_profile import profile_of  # noqa: PLC0415
    from chatws_loadtest.scenario_file.reader import read_script  # noqa: PLC0415

    try:
        profile = profile_of(read_script(path), path.name)
    except ScenarioFileError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    if profile.stages and set(scenarios or ["steady"]) != {"steady"}:
        raise CommandExit(f"{path} has stages, which only the scenario steady can run", ExitCode.USAGE)
    if profile.stages and duration_s is not None:
        raise CommandExit(f"{path} has stages with their own times; leave out --duration", ExitCode.USAGE)
    return profile


def read_report(path: Path) -> Report:
    """Read the ``report.json`` of an earlier run."""
    try:
        return read_json(path.read_bytes())
    except OSError as problem:
        raise CommandExit(f"{path} is not a report: {problem.strerror}", ExitCode.USAGE) from problem
    except msgspec.DecodeError as problem:
        raise CommandExit(f"{path} is not a report: {problem}", ExitCode.USAGE) from problem
