"""Trend over the reports of a folder (1 s)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from chatws_loadtest.results import Report, ScenarioResult, write_json
from chatws_loadtest.trend.history import read_history
from chatws_loadtest.trend.text_table import describe_history
from tests.loadtest.reports import make_report, make_scenario

GOOD = make_scenario(12_000)


def write_run(folder: Path, day: int, *results: ScenarioResult, machine: str = "a processor") -> Report:
    report = make_report(*results)
    report = msgspec.structs.replace(
        report, started_at=report.started_at + timedelta(days=day), machine={"cpu": machine}
    )
    path = folder / f"run-{99 - day}" / "report.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(write_json(report))
    return report


def test_series_are_sorted_by_start_and_take_the_median_of_repeated_runs(tmp_path: Path) -> None:
    for day, micros in enumerate((100.0, 120.0, 110.0)):
        write_run(tmp_path, day, *(make_scenario(12_000, server_us=micros + extra) for extra in (0.0, 1.0, 50.0)))
    series = {row.name: row.values for row in read_history(tmp_path, 30).series}
    assert series["steady: server CPU per message"] == [101.0, 121.0, 111.0]
    assert {row.name: row.values for row in read_history(tmp_path, 2).series}["steady: server CPU per message"] == [
        121.0,
        111.0,
    ]


def test_runs_of_other_machines_and_loads_form_their_own_series(tmp_path: Path) -> None:
    write_run(tmp_path, 0, GOOD)
    write_run(tmp_path, 1, GOOD, machine="another processor")
    write_run(tmp_path, 2, msgspec.structs.replace(GOOD, users=20))
    assert [len(row.points) for row in read_history(tmp_path, 30).series if "message p95" in row.name] == [1, 1, 1]


def test_partial_and_invalid_runs_are_left_out_and_named(tmp_path: Path) -> None:
    write_run(tmp_path, 0, GOOD)
    write_run(tmp_path, 1, msgspec.structs.replace(GOOD, partial=True))
    write_run(tmp_path, 2, make_scenario(12_000, samples=10))
    (tmp_path / "bench.json").write_text("[]")
    (tmp_path / "broken.json").write_text('{"schema": "chatws.loadtest/0"}')
    history = read_history(tmp_path, 30)
    assert all(len(row.points) == 1 for row in history.series)
    assert [run.reason for run in history.omitted][1:] == ["steady: partial", "steady: invalid"]
    assert "left out: 3 runs" in describe_history(history)
