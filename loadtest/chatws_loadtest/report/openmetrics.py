"""Writer of a run's figures in the OpenMetrics text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from chatws_loadtest.thresholds import METRICS, MetricKind
from chatws_loadtest.verdict import Outcome

if TYPE_CHECKING:
    from chatws_loadtest.results import Report, ScenarioResult

PREFIX: Final = "chatws_loadtest"
QUANTILES: Final = {"0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99", "1": "max"}
RUN_LABELS: Final = ("scenario", "run")


class ReportCollector(Collector):
    """Figures of a report.

    Types that the older Prometheus format lacks, such as StateSet, are not used: the textfile collector of
    node_exporter would refuse the file.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Yield the families of metrics."""
        yield from _run_metrics(self._report)
        labelled = _label(self._report)
        for name, (text, label, values) in _FAMILIES.items():
            family = _gauge(name, text, (*RUN_LABELS, *([label] if label else [])))
            for labels, result in labelled:
                for value_label, value in values(result):
                    family.add_metric([*labels, *([value_label] if label else [])], value)
            if family.samples:
                yield family
        yield _latencies(labelled)


def write_openmetrics(report: Report) -> bytes:
    """Return the content of the file, which ends with ``# EOF``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ReportCollector(report))
    content: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # prometheus_client types it partly
    return content


def _run_metrics(report: Report) -> Iterator[Metric]:
    run = _gauge("run", "Run of the load test; always 1.", ("server", "version"))
    run.add_metric(["bundled" if report.bundled_server else report.url, report.versions.get("chatws", "")], 1)
    yield run
    started = _gauge("start_time_seconds", "Start of the run since the Unix epoch.", ())
    started.add_metric([], report.started_at.timestamp())
    yield started


def _label(report: Report) -> list[tuple[list[str], ScenarioResult]]:
    """Number the runs of each scenario."""
    runs: Counter[str] = Counter()
    labelled = []
    for result in report.scenarios:
        runs[result.scenario] += 1
        labelled.append(([result.scenario, str(runs[result.scenario])], result))
    return labelled


def _latencies(labelled: list[tuple[list[str], ScenarioResult]]) -> Metric:
    name = f"{PREFIX}_latency_seconds"
    family = Metric(name, "Latency, by metric of the load test.", "summary")
    for (scenario, run), result in labelled:
        for metric, row in result.latencies.items():
            if not row.count:
                continue
            labels = {"scenario": scenario, "run": run, "metric": metric}
            for quantile, field in QUANTILES.items():
                family.add_sample(name, {**labels, "quantile": quantile}, getattr(row, field) / 1e6)
            family.add_sample(f"{name}_count", labels, row.count)
            family.add_sample(f"{name}_sum", labels, row.mean * row.count / 1e6)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)


def _outcomes(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    for outcome in Outcome:
        yield str(outcome), float(result.verdict.outcome is outcome)


def _met(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    for row in result.verdict.rows:
        if row.outcome is not Outcome.INVALID:
            yield row.target, float(row.outcome is Outcome.PASS)


def _counts(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    yield from ((name, value) for name, value in result.numbers.items() if METRICS[name][0] is MetricKind.COUNT)


def _shares(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    yield from ((name, value) for name, value in result.numbers.items() if METRICS[name][0] is MetricKind.SHARE)


def _cpu(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    yield "generator", result.generator_us_per_message / 1e6
    if result.server_us_per_message is not None:
        yield "server", result.server_us_per_message / 1e6


def _memory(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    yield "generator", float(result.generator_rss_bytes)
    if result.server_rss_bytes is not None:
        yield "server", float(result.server_rss_bytes)


def _users(result: ScenarioResult) -> Iterator[tuple[str, float]]:
    yield "", float(result.users)


_FAMILIES: Final = {
    "users": ("Simulated users.", None, _users),
    "outcome": ("Verdict on a scenario: 1 for its outcome, 0 for the others.", "outcome", _outcomes),
    "threshold_met": ("Thresholds: 1 met, 0 missed; those that could not be judged are absent.", "threshold", _met),
    "count": ("Counts, by metric of the load test.", "metric", _counts),
    "ratio": ("Shares between 0 and 1, by metric of the load test.", "metric", _shares),
    "cpu_seconds_per_message": ("CPU time per message.", "process", _cpu),
    "resident_memory_bytes": ("Memory at the end of the measurement.", "process", _memory),
}
"""Gauges of a scenario run: description, name of the additional label, values by that label."""
