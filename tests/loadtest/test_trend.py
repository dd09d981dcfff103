"""Trend over the reports of a folder (5 s)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from random import Random

import msgspec
import pytest

from chatws.client.gevent.transport_choice import TransportChoice
from chatws_loadtest.results import Report, ScenarioResult, write_json
from chatws_loadtest.trend.history import RunGroup, SeriesPoint, TrendSeries, read_history
from chatws_loadtest.trend.mann_kendall import rising_p_value, slope_per_run
from chatws_loadtest.trend.page import write_page
from chatws_loadtest.trend.regressions import ALPHA, MIN_RUNS, find_trends
from chatws_loadtest.trend.text_table import describe_trends
from tests.loadtest.reports import make_report, make_scenario
from tests.support.preloaded import run_preloaded
from tests.support.server import environment_of_children

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


def test_profile_transport_and_mapping_separate_series_and_name_them(tmp_path: Path) -> None:
    write_run(tmp_path, 0, GOOD)
    write_run(tmp_path, 1, msgspec.structs.replace(GOOD, profile="talk.yaml"))
    write_run(tmp_path, 2, msgspec.structs.replace(GOOD, transport=TransportChoice.POLLING))
    write_run(tmp_path, 3, msgspec.structs.replace(GOOD, mapping="other.toml"))
    write_run(tmp_path, 4, msgspec.structs.replace(GOOD, mapping="other.toml"))
    series = [row for row in read_history(tmp_path, 30).series if "message p95" in row.name]
    url = "http://127.0.0.1:3000/<script>"
    assert [(str(row.group), len(row.points)) for row in series] == [
        (f"steady, 500 users, 1 messages/s each, {url}", 1),
        (f"steady with talk.yaml, 500 users, 1 messages/s each, {url}", 1),
        (f"steady, 500 users over polling, 1 messages/s each, {url}", 1),
        (f"steady, 500 users, 1 messages/s each, {url} with other.toml", 2),
    ]


def test_partial_and_invalid_runs_are_left_out_and_named(tmp_path: Path) -> None:
    write_run(tmp_path, 0, GOOD)
    write_run(tmp_path, 1, msgspec.structs.replace(GOOD, partial=True))
    write_run(tmp_path, 2, make_scenario(12_000, samples=10))
    (tmp_path / "bench.json").write_text("[]")
    (tmp_path / "broken.json").write_text('{"schema": "chatws.loadtest/0"}')
    history = read_history(tmp_path, 30)
    assert all(len(row.points) == 1 for row in history.series)
    assert [run.reason for run in history.omitted][1:] == ["steady: partial", "steady: invalid"]
    assert "left out: 3 runs" in describe_trends(find_trends(history.series), history)


STARTED = datetime(2025, 10, 28, tzinfo=UTC)
GROUP = RunGroup("steady", 500, 1.0, 1, "bundled", "a processor")


def make_series(values: list[float], name: str = "server CPU per message", unit: str = "µs") -> TrendSeries:
    points = (SeriesPoint(STARTED + timedelta(days=day), value) for day, value in enumerate(values))
    return TrendSeries(GROUP, name, unit, tuple(points))


def make_history(random: Random, runs: int, creep: Callable[[int], float]) -> list[TrendSeries]:
    """Create twenty series with 5 % of noise; the first one is multiplied by ``creep(run)``."""
    return [
        make_series([100 * (1 if number else creep(run)) * random.gauss(1, 0.05) for run in range(runs)], f"{number}")
        for number in range(20)
    ]


def test_p_value_is_the_share_of_orders_that_rise_as_much() -> None:
    values = [3.0, 1.0, 2.0, 5.0, 4.0]

    def rise(order: tuple[float, ...]) -> int:
        return sum(order[j] > order[i] for i in range(5) for j in range(i + 1, 5))

    orders = [rise(order) for order in permutations(values)]
    assert rising_p_value(values) == pytest.approx(sum(row >= rise(tuple(values)) for row in orders) / len(orders))
    assert rising_p_value([1, 2, 3, 4, 5]) == pytest.approx(1 / 120)
    assert rising_p_value([5, 4, 3, 2, 1]) == pytest.approx(1.0)


def test_equal_values_show_no_rise_and_few_ties_change_little() -> None:
    assert rising_p_value([1.0] * 20) == 1.0
    rising = [float(number) for number in range(20)]
    assert rising_p_value([*rising[:-1], rising[-2]]) < 1e-6


def test_slope_is_not_moved_by_a_single_slow_run() -> None:
    assert slope_per_run([10, 12, 14, 500, 18, 20, 22]) == pytest.approx(2)


def test_constant_noise_raises_no_more_false_alarms_than_stated() -> None:
    random = Random(20251028)
    alarms = sum(
        any(trend.is_regression for trend in find_trends(make_history(random, 15, lambda _: 1.0))) for _ in range(300)
    )
    # 300 folders at ALPHA are 3 alarms on average; more than 9 have a probability of 0.1 %.
    assert alarms <= 9
    assert ALPHA == 0.01


def test_creep_of_two_percent_a_run_is_found_in_twenty_runs_and_only_there() -> None:
    random = Random(20251028)
    found = 0
    for _ in range(100):
        names = [
            trend.series.name
            for trend in find_trends(make_history(random, 20, lambda run: 1.02**run))
            if trend.is_regression
        ]
        found += names == ["0"]
    assert found >= 95


def test_improvement_step_down_and_tiny_rise_are_no_regressions() -> None:
    falling = make_series([100.0 - run for run in range(20)], "falling")
    tiny = make_series([100.0 + run / 1000 for run in range(20)], "tiny")
    short_ms = make_series([0.1 + run / 100 for run in range(20)], "short", "ms")
    assert not any(trend.is_regression for trend in find_trends([falling, tiny, short_ms]))


def test_too_few_runs_are_not_tested() -> None:
    (trend,) = find_trends([make_series([100.0 * 2**run for run in range(MIN_RUNS - 1)])])
    assert (trend.p_value, trend.is_regression) == (None, False)
    (trend,) = find_trends([make_series([100.0 * 2**run for run in range(MIN_RUNS)])])
    assert trend.is_regression


def run_trend(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_preloaded("loadtest", "trend", *map(str, arguments), env=environment_of_children(), timeout_s=60)


def test_command_fails_on_a_regression_and_writes_a_page(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    for day in range(10):
        write_run(reports, day, make_scenario(12_000, server_us=100.0 * 1.02**day))
    done = run_trend(reports, "--html", tmp_path / "trend.html")
    assert done.returncode == 99, done.stderr
    assert "trend: FAIL, 1 regression in 4 series tested" in done.stdout
    assert "steady: server CPU per message" in done.stdout
    assert "+2.0%" in done.stdout
    assert "▇▇█" in done.stdout
    assert sum("•" in line for line in done.stdout.splitlines()) == 8
    page = (tmp_path / "trend.html").read_text()
    assert "steady: server CPU per message: regression" in page
    assert "default-src 'none'" in page
    fewer = run_trend(reports, "--last", "5", "--json")
    fields = msgspec.json.decode(fewer.stdout)
    assert fewer.returncode == 0
    assert all(len(row["points"]) == 5 and not row["isRegression"] for row in fields["series"])


def test_page_escapes_names_and_has_a_plot_of_each_series(tmp_path: Path) -> None:
    write_run(tmp_path, 0, GOOD, machine="<b>")
    write_run(tmp_path, 1, msgspec.structs.replace(GOOD, partial=True))
    history = read_history(tmp_path, 30)
    page = write_page(find_trends(history.series), history)
    assert "<b>" not in page
    assert page.count("<svg viewBox") == len(history.series)
    assert "partial" in page


def test_other_json_files_and_folders_are_skipped(tmp_path: Path) -> None:
    write_run(tmp_path, 1, GOOD)
    (tmp_path / "latin1.json").write_bytes(b'{"schema": "chatws.loadtest/1", "url": "\xe9"}')
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    (tmp_path / "folder.json").mkdir()
    assert not read_history(tmp_path, 30).omitted


def test_folder_without_reports_is_a_usage_error_that_names_those_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, 1, msgspec.structs.replace(GOOD, partial=True))
    done = run_trend(tmp_path)
    assert (done.returncode, "holds no report" in done.stderr, "steady: partial" in done.stderr) == (2, True, True)
    missing = run_trend(tmp_path / "missing")
    assert (missing.returncode, "is not a folder" in missing.stderr) == (2, True)
