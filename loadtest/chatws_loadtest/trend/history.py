"""History of a folder of reports: the measurements of comparable scenario runs, in the order of their start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from chatws.client.gevent.transport_choice import TransportChoice
from chatws_loadtest.report.bench import scenario_benchmarks
from chatws_loadtest.results import Report, ScenarioResult, read_json
from chatws_loadtest.verdict import Outcome

REPORT_PREFIX: Final = "chatws.loadtest/"


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Conditions that runs must share to be comparable."""

    scenario: str
    users: int
    rate: float
    processes: int
    server: str
    machine: str
    profile: str = ""
    transport: TransportChoice = TransportChoice.WEBSOCKET
    mapping: str = ""

    def __str__(self) -> str:
        scenario = f"{self.scenario} with {self.profile}" if self.profile else self.scenario
        transport = "" if self.transport is TransportChoice.WEBSOCKET else f" over {self.transport}"
        mapping = f" with {self.mapping}" if self.mapping else ""
        return f"{scenario}, {self.users} users{transport}, {self.rate:g} messages/s each, {self.server}{mapping}"


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """Value of one report: the median of its repeated runs."""

    started_at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One measurement over the reports of a group; smaller values are better."""

    group: RunGroup
    name: str
    unit: str
    points: tuple[SeriesPoint, ...]

    @property
    def values(self) -> list[float]:
        return [point.value for point in self.points]


@dataclass(frozen=True, slots=True)
class OmittedRun:
    """File or scenario run that is not part of the history."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Comparable measurements of a folder of reports."""

    series: tuple[TrendSeries, ...]
    omitted: tuple[OmittedRun, ...]


def read_history(folder: Path, last: int) -> RunHistory:
    """Read every report below a folder; of each series, keep the ``last`` points.

    Partial and invalid runs are omitted. Other JSON files are skipped.

    Raises:
        OSError: a file cannot be read.
    """
    gathered: dict[tuple[RunGroup, str, str], list[SeriesPoint]] = {}
    omitted: list[OmittedRun] = []
    reports: list[tuple[str, Report]] = []
    for path in sorted(path for path in folder.rglob("*.json") if path.is_file()):
        name, content = str(path.relative_to(folder)), path.read_bytes()
        if not _is_report(content):
            continue
        try:
            reports.append((name, read_json(content)))
        except msgspec.DecodeError as problem:
            omitted.append(OmittedRun(name, str(problem)))
    for name, report in sorted(reports, key=lambda row: row[1].started_at):
        omitted += (OmittedRun(name, reason) for reason in _reasons_to_omit(report))
        for key, values in _measure(report).items():
            gathered.setdefault(key, []).append(SeriesPoint(report.started_at, median(values)))
    groups = list(dict.fromkeys(group for group, _, _ in gathered))
    series = [TrendSeries(*key, tuple(points[-last:])) for key, points in gathered.items()]
    return RunHistory(tuple(sorted(series, key=lambda row: groups.index(row.group))), tuple(omitted))


def _is_report(content: bytes) -> bool:
    try:
        fields = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(fields, dict) and str(fields.get("schema", "")).startswith(REPORT_PREFIX)


def _reasons_to_omit(report: Report) -> list[str]:
    return [f"{result.scenario}: {_defect(result)}" for result in report.scenarios if _defect(result)]


def _defect(result: ScenarioResult) -> str:
    """Return the reason why a scenario run cannot be compared; empty if it can."""
    if result.partial:
        return "partial"
    return "invalid" if result.verdict.outcome is Outcome.INVALID else ""


def _measure(report: Report) -> dict[tuple[RunGroup, str, str], list[float]]:
    measured: dict[tuple[RunGroup, str, str], list[float]] = {}
    for result in report.scenarios:
        if not _defect(result):
            for row in scenario_benchmarks(result):
                measured.setdefault((_group(report, result), row.name, row.unit), []).append(row.value)
    return measured


def _group(report: Report, result: ScenarioResult) -> RunGroup:
    return RunGroup(
        scenario=result.scenario,
        users=result.users,
        rate=result.rate,
        processes=result.processes,
        server="the bundled server" if report.bundled_server else report.url,
        # Not its system: a series would end with each update of the kernel.
        machine=f"{report.machine.get('cpu', 'unknown processor')}, {report.machine.get('cores', '?')} cores",
        profile=result.profile,
        transport=result.transport,
        mapping=result.mapping,
    )
