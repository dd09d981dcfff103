"""Report of the benchmark: the struct written as JSON, and the printed tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from benchmarks.common.runner import SPREAD_TITLE, format_spread
from benchmarks.engine.implementations import TITLES, ServerImplementation
from benchmarks.engine.results import (
    MAX_GROWTH,
    METRICS,
    EngineRun,
    GrowthStep,
    LoadSample,
    Ratio,
    growth_ratio,
)
from benchmarks.engine.run import EnginePlan
from chatws_loadtest.samples import Spread

FILE_NAME: Final = "engine.json"


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """All measurements of one benchmark."""

    at: datetime
    machine: dict[str, str]
    plan: EnginePlan
    runs: list[EngineRun]
    growth: list[GrowthStep]
    spreads: dict[str, dict[ServerImplementation, Spread]]
    ratios: list[Ratio]


def describe_sample(name: str, sample: LoadSample) -> str:
    """Describe the measurements of one load in one line."""
    line = (
        f"  {name:<10} {sample.us_per_message:6.0f} us/message {sample.us_per_delivery:6.1f} us/delivery "
        f"{sample.deliveries_per_s:8.0f} deliveries/s  ack p50 {sample.ack.p50_ms:.1f} p99 {sample.ack.p99_ms:.1f} ms  "
        f"cores: server {sample.server_cores:.2f} generator {sample.generator_cores:.2f} other {sample.other_cores:.2f}"
        f"  generator lag p99 {sample.lag.p99_ms:.1f} ms"
    )
    if not sample.is_valid:
        return f"{line}  INVALID: {sample.errors if sample.errors.any else 'the generator was late'}"
    return f"{line}  (generator-bound)" if sample.is_generator_bound else line


def describe_run(run: EngineRun) -> str:
    """Describe the measurements of one server in one round."""
    idle = f"{run.idle.rss_kb:.1f} kB of RSS per idle connection, {run.idle.connect_ms:.2f} ms of CPU per connect"
    return "\n".join(
        [
            f"round {run.round}, {run.implementation}: {idle}",
            describe_sample("paced", run.paced),
            describe_sample("saturated", run.saturated),
            describe_sample("fan-out", run.fanout),
        ]
    )


def describe_step(step: GrowthStep) -> str:
    """Describe the measurements with one number of idle connections."""
    line = (
        f"  {step.idle_connections:6d} idle: {step.us_per_message:6.0f} us/message, "
        f"idle connections {step.idle_cores:.3f} cores, ack p99 {step.paced.ack.p99_ms:.1f} ms, "
        f"other {step.paced.other_cores:.2f} cores"
    )
    return line if step.paced.is_valid else f"{line}  INVALID"


def table(report: EngineReport) -> str:
    """Return the tables: all metrics by server, the ratios with their targets, the cost with idle connections."""
    return "\n".join([*_metrics(report), *_ratios(report.ratios), *_growth(report.growth)])


def _metrics(report: EngineReport) -> Iterator[str]:
    implementations = list(dict.fromkeys(run.implementation for run in report.runs))
    if not implementations:
        return
    yield from (f"{implementation}: {TITLES[implementation]}" for implementation in implementations)
    yield f"\n{SPREAD_TITLE:<34}" + "".join(f"{implementation:>24}" for implementation in implementations)
    for name in METRICS:
        cells = [_cell(report.spreads[name][implementation]) for implementation in implementations]
        yield f"{name:<34}" + "".join(f"{cell:>24}" for cell in cells)
    invalid = [f"{run.implementation} in round {run.round}" for run in report.runs if not run.is_valid]
    if invalid:
        yield f"INVALID (late generator, or lost messages): {', '.join(invalid)}"


def _ratios(ratios: Sequence[Ratio]) -> Iterator[str]:
    if ratios:
        yield f"\n{'ratios within a round':<59}{SPREAD_TITLE:>27}{'target':>9}"
    for ratio in ratios:
        name = f"{ratio.implementation} / {ratio.baseline}, {ratio.metric}"
        verdict = "reached" if ratio.is_reached else "MISSED"
        yield f"{name:<59}{format_spread(ratio.spread, 2):>27}{f'<= {ratio.target:g}':>9} {verdict}"


def _growth(steps: Sequence[GrowthStep]) -> Iterator[str]:
    if not steps:
        return
    yield "\nCPU per message with idle connections, without the CPU that the idle connections use"
    yield from (describe_step(step) for step in steps)
    ratio = growth_ratio(steps)
    verdict = "reached" if ratio <= MAX_GROWTH else "MISSED"
    yield f"  highest / first: {ratio:.2f}, target <= {MAX_GROWTH:g} {verdict}"


def _cell(spread: Spread) -> str:
    """Format a spread with about three significant digits."""
    return format_spread(spread, 0 if spread.median >= 100 else 1 if spread.median >= 10 else 2)  # noqa: PLR2004 - powers of ten
