"""Writer of ``bench.json``: measurements for trend tools, ``[{name, unit, value}]``, where smaller is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chatws_loadtest.thresholds import METRICS, MetricKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws_loadtest.results import Report, ScenarioResult


class Benchmark(msgspec.Struct, frozen=True):
    """One measurement; those of CPU time vary least on a busy machine."""

    name: str
    unit: str
    value: float


def benchmarks(report: Report) -> list[Benchmark]:
    """Return the measurements of a report."""
    return [benchmark for scenario in report.scenarios for benchmark in scenario_benchmarks(scenario)]


def write_bench(report: Report) -> bytes:
    """Return the content of the file."""
    return msgspec.json.format(msgspec.json.encode(benchmarks(report))) + b"\n"


def scenario_benchmarks(result: ScenarioResult) -> Iterator[Benchmark]:
    """Yield the measurements of one scenario run."""
    if result.server_us_per_message is not None:
        yield Benchmark(f"{result.scenario}: server CPU per message", "µs", result.server_us_per_message)
    yield Benchmark(f"{result.scenario}: generator CPU per message", "µs", result.generator_us_per_message)
    for name, latency in result.latencies.items():
        if name in METRICS and METRICS[name][0] is MetricKind.LATENCY and latency.count:
            yield Benchmark(f"{result.scenario}: {name} p50", "ms", latency.p50 / 1000)
            yield Benchmark(f"{result.scenario}: {name} p95", "ms", latency.p95 / 1000)
