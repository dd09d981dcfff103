from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.report.compare import compare
from chatws_loadtest.report.files import write_report
from chatws_loadtest.report.html import write_html
from chatws_loadtest.report.junit import write_junit
from chatws_loadtest.report.markdown import write_markdown
from chatws_loadtest.report.openmetrics import write_openmetrics
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


def test_deeply_nested_file_is_no_report() -> None:
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        read_json(b'{"new": ' + b"[" * 100_000)


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


def test_control_characters_of_a_server_leave_the_junit_file_valid() -> None:
    [row, *_] = BAD.verdict.rows
    verdict = msgspec.structs.replace(BAD.verdict, rows=(msgspec.structs.replace(row, reason="missed: \x01"),))
    root = ET.fromstring(write_junit(make_report(msgspec.structs.replace(BAD, verdict=verdict))))  # noqa: S314 - ours
    assert [element.get("message", "")[:9] for element in root.iter("failure")] == ["missed: �"]


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


def test_summary_names_each_threshold_that_was_not_met_with_its_reason() -> None:
    report = make_report(GOOD, BAD, SPARSE)
    summary = write_markdown(report, None)
    assert "## ❌ Load test of http://127.0.0.1:3000/&lt;script>: FAIL" in summary
    assert "### ✅ steady 1: pass" in summary
    assert "| `lost==0` | 3 | ❌ missed |" in summary
    assert "| `message.p95<100ms` | - | ⚠️ 10 samples, 200 needed |" in summary
    p50_ms, p95_ms = (getattr(BAD.latencies["message"], name) / 1000 for name in ("p50", "p95"))
    assert f"| message | {p50_ms:.2f} | {p95_ms:.2f} |" in summary
    assert "Changes" not in summary


def test_tables_of_the_summary_have_as_many_cells_in_each_row() -> None:
    report = make_report(GOOD, BAD)
    summary = write_markdown(report, compare(make_report(GOOD), report, 0.25))
    tables = [block.splitlines() for block in summary.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({row.count("|") - row.count("\\|") for row in table}) == 1, table


def test_summary_compares_with_the_older_report() -> None:
    old = make_report(make_scenario(12_000, server_us=100.0))
    new = make_report(make_scenario(12_000, server_us=150.0))
    summary = write_markdown(new, compare(old, new, 0.25))
    assert "| steady: server CPU per message | 100.00 → 150.00 µs (+50%) | ❌ regression |" in summary
    assert "no measurement in common" in write_markdown(new, [])


@pytest.mark.parametrize("parse", [parse_openmetrics, parse_prometheus], ids=["openmetrics", "prometheus"])
def test_every_figure_can_be_read_from_the_metrics(parse: Any) -> None:
    text = write_openmetrics(make_report(GOOD, BAD)).decode()
    samples = {
        (sample.name, *sorted(value for name, value in sample.labels.items() if name != "scenario")): sample.value
        for family in parse(text)
        for sample in family.samples
    }
    for run, result in (("1", GOOD), ("2", BAD)):
        latency = result.latencies["message"]
        name = "chatws_loadtest_latency_seconds"
        assert samples[(name, "0.95", run, "message")] == latency.p95 / 1e6
        assert samples[(f"{name}_count", run, "message")] == latency.count
        assert samples[("chatws_loadtest_count", run, "lost")] == result.numbers["lost"]
        assert samples[("chatws_loadtest_ratio", run, "errors")] == result.numbers["errors"]
        assert samples[("chatws_loadtest_outcome", run, "fail")] == (result is BAD)
        assert samples[("chatws_loadtest_threshold_met", run, "lost==0")] == (result is GOOD)
        assert samples[("chatws_loadtest_cpu_seconds_per_message", run, "server")] == 150e-6
    assert text.endswith("# EOF\n")
