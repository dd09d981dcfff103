"""Parser of ``report.html``, and comparison with the report that it was written from."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chatws_loadtest.results import Report, ScenarioResult

FACTORS = {"ms": 1000.0, "%": 0.01, "MB": 1e6, "µs": 1.0, "": 1.0}
Table = dict[str, list[str]]


class ReportPage(HTMLParser):
    """Tables of a page in order: caption, and rows by their first cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, Table]] = []
        self._row: list[str] = []
        self._target: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "caption":
            self._target = []
        elif tag == "tr":
            self._row = []
        elif tag == "td":
            self._row.append("")
            self._target = self._row

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption" and self._target is not None:
            self.tables.append(("".join(self._target), {}))
        if tag == "tr" and self._row:
            name, *cells = self._row
            assert name not in self.tables[-1][1], f"{name} is repeated"
            self.tables[-1][1][name] = cells
        if tag in {"caption", "td"}:
            self._target = None

    def handle_data(self, data: str) -> None:
        if self._target is self._row and self._row:
            self._row[-1] += data
        elif self._target is not None:
            self._target.append(data)


def assert_agrees(text: str, report: Report) -> None:
    """Compare every number in a page's tables, and the number of points of its plots, with the report."""
    page = ReportPage(text)
    for index, scenario in enumerate(report.scenarios):
        (first, thresholds), (second, latencies), (third, ledger) = page.tables[3 * index : 3 * index + 3]
        assert (first, second, third) == ("Thresholds", "Latency, ms", "Ledger")
        assert_thresholds(thresholds, scenario)
        assert_latencies(latencies, scenario)
        assert_ledger(ledger, scenario)
    [(_, run_details)] = page.tables[3 * len(report.scenarios) :]
    assert run_details["seed"] == [str(report.seed)]
    points = [len(found.split()) for found in re.findall(r'points="([^"]+)"', text)]
    assert sum(points) >= sum(len(scenario.series) for scenario in report.scenarios)


def assert_thresholds(table: Table, scenario: ScenarioResult) -> None:
    assert list(table) == [row.target for row in scenario.verdict.rows]
    for row in scenario.verdict.rows:
        measured, samples, verdict = table[row.target]
        assert read(measured) == (None if row.value is None else approx_of(row.value, measured))
        assert samples == ("" if row.statistic is None else str(row.samples))
        assert verdict.lower().startswith(row.outcome)


def assert_latencies(table: Table, scenario: ScenarioResult) -> None:
    found = {name: row for name, row in scenario.latencies.items() if row.count}
    assert list(table) == list(found)
    for name, row in found.items():
        *percentiles, samples = table[name]
        cells = [f"{cell} ms" for cell in percentiles]
        for us, cell in zip([row.p50, row.p90, row.p95, row.p99, row.max], cells, strict=True):
            assert read(cell) == approx_of(us, cell)
        assert samples == str(row.count)


def assert_ledger(table: Table, scenario: ScenarioResult) -> None:
    expected = dict(scenario.numbers)
    expected |= {f"failure: {name}": count for name, count in scenario.failures.items()}
    expected |= {
        "generator, CPU in cores": scenario.health.cpu_cores,
        "generator, send lag p99": scenario.health.send_lag_p99_us,
        "generator, CPU per message": scenario.generator_us_per_message,
    }
    if scenario.server_us_per_message is not None and scenario.server_rss_bytes is not None:
        expected["server, CPU per message"] = scenario.server_us_per_message
        expected["server, memory"] = scenario.server_rss_bytes
    shown = {name.partition(" (")[0]: cells for name, cells in table.items()}
    assert set(shown) == set(expected)
    for name, [cell] in shown.items():
        assert read(cell) == approx_of(expected[name], cell), name


def read(cell: str) -> float | None:
    """Return the number of a cell in the report's unit; None for a dash."""
    if cell == "-":
        return None
    match = re.fullmatch(r"([\d,.]+) ?(ms|%|MB|µs|)", cell)
    assert match, f"{cell!r} is not a number"
    return float(match[1].replace(",", "")) * FACTORS[match[2]]


def approx_of(value: float, cell: str) -> object:
    """Return the number with a tolerance of half a unit in the last digit of the cell."""
    match = re.fullmatch(r"[\d,]+(?:\.(\d+))? ?(ms|%|MB|µs|)", cell)
    assert match, f"{cell!r} is not a number"
    return pytest.approx(value, abs=0.500001 * 10.0 ** -len(match[1] or "") * FACTORS[match[2]])
