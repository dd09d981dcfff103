from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.report.compare import compare
from chatws_loadtest.report.files import write_report
from chatws_loadtest.report.html import write_html
from chatws_loadtest.report.junit import write_junit
from chatws_loadtest.results import ScenarioResult, read_json, write_json
from tests.loadtest.pages import assert_agrees
from tests.loadtest.reports import make_report, make_scenario

GOOD = make_scenario(12_340)
BAD = make_scenario(160_000, lost=3)
SPARSE = make_scenario(12_340, samples=10)


def test_report_reads_back_the_same_with_its_histograms() -> None:
    report = make_report(GOOD, BAD)
    copy = read_json(write_json(report))
    assert copy == report
    histogram = Histogram.decode(copy.scenarios[0].latencies["message"].histogram)
    assert (histogram.count, histogram.percentile(95)) == (1_000, GOOD.latencies["message"].p95)


def test_report_of_another_version_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="another/9"):
        read_json(write_json(make_report(GOOD)).replace(b"chatws.loadtest/1", b"another/9"))


@pytest.mark.parametrize("results", [(GOOD,), (BAD, SPARSE)])
def test_every_number_of_the_page_equals_that_of_the_report(results: tuple[ScenarioResult, ...]) -> None:
    report = make_report(*results)
    assert_agrees(write_html(report), report)


def test_comparison_detects_a_wrong_number_in_the_page() -> None:
    report = make_report(BAD)
    page = write_html(report)
    p50_ms = BAD.latencies["message"].p50 / 1000
    changes = {
        f"<td>{p50_ms:.2f}</td>": f"<td>{p50_ms + 0.01:.2f}</td>",
        "<td>3</td>": "<td>2</td>",
        f"{p50_ms:.1f} ms": f"{p50_ms + 0.1:.1f} ms",
    }
    for correct, wrong in changes.items():
        assert correct in page
        with pytest.raises(AssertionError):
            assert_agrees(page.replace(correct, wrong), report)


def test_page_has_no_external_resources_and_no_script() -> None:
    page = write_html(make_report(GOOD, BAD))
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|\son\w+=|\sstyle=|@import|url\(", page)
    assert "&lt;script&gt;" in page
    assert "server &lt;killed&gt;" in page


@pytest.mark.parametrize(("result", "word"), [(GOOD, "pass"), (BAD, "FAIL"), (SPARSE, "INVALID")])
def test_title_of_the_page_is_the_verdict(result: object, word: str) -> None:
    page = write_html(make_report(result))  # type: ignore[arg-type]  # pytest passes the scenario through
    assert word in page[page.index("<h1>") : page.index("</h1>")]


def test_plots_are_well_formed() -> None:
    page = write_html(make_report(GOOD))
    plots = re.findall(r"<svg viewBox.*?</svg>(?=</figure>)", page, re.DOTALL)
    assert len(plots) == 5
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314 - our own output


def test_missed_threshold_is_a_failure_and_one_without_data_an_error() -> None:
    root = ET.fromstring(write_junit(make_report(GOOD, BAD, SPARSE)))  # noqa: S314 - our own output
    assert [suite.get("name") for suite in root] == ["steady 1", "steady 2", "steady 3"]
    counts = [(suite.get("failures"), suite.get("errors")) for suite in root]
    assert counts == [("0", "0"), ("2", "0"), ("0", "1")]
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == [
        "message.p95<100ms",
        "lost==0",
    ]


def test_benchmark_file_has_the_common_format(tmp_path: Path) -> None:
    write_report(make_report(GOOD), tmp_path)
    rows = msgspec.json.decode((tmp_path / "bench.json").read_bytes())
    assert {"name": "steady: server CPU per message", "unit": "µs", "value": 150.0} in rows
    assert all(set(row) == {"name", "unit", "value"} for row in rows)


def test_schema_describes_every_field_of_the_report(tmp_path: Path) -> None:
    write_report(make_report(GOOD), tmp_path)
    schema = msgspec.json.decode((tmp_path / "report.schema.json").read_bytes())
    fields = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert set(schema["$defs"]["Report"]["properties"]) == set(fields)
    assert set(schema["$defs"]["ScenarioResult"]["properties"]) == set(fields["scenarios"][0])


def test_value_that_got_worse_in_every_run_is_a_regression() -> None:
    old = make_report(*(make_scenario(10_000, server_us=us) for us in (100.0, 104.0, 98.0)))
    new = make_report(*(make_scenario(10_000, server_us=us) for us in (150.0, 141.0, 160.0)))
    assert [change.name for change in compare(old, new, 0.25) if change.is_regression] == [
        "steady: server CPU per message"
    ]
    assert not any(change.is_regression for change in compare(new, old, 0.25))


def test_overlapping_runs_are_noise() -> None:
    old = make_report(*(make_scenario(10_000, server_us=us) for us in (100.0, 170.0, 98.0)))
    new = make_report(*(make_scenario(10_000, server_us=us) for us in (150.0, 141.0, 160.0)))
    assert not any(change.is_regression for change in compare(old, new, 0.25))
