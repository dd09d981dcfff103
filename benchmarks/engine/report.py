"""Report of the benchmark: the struct written as JSON, and the printed tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from benchmarks.common.runner import SPREAD_TITLE, format_spread
from benchmarks.engine.comparison import COMPARISONS, Ratio
from benchmarks.engine.implementations import TITLES, ServerImplementation
from benchmarks.engine.results import MAX_GROWTH, EngineRun, Growth, GrowthStep, LoadSample
from benchmarks.engine.run import EnginePlan
from benchmarks.engine.thread_meter import median_times
from chatws_loadtest.samples import Spread

FILE_NAME: Final = "engine.json"


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """All measurements of one benchmark."""

    at: datetime
    machine: dict[str, str]
    plan: EnginePlan
    runs: list[EngineRun]
    growth: list[Growth]
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
    title = f"round {run.round}, {run.implementation}"
    if run.idle is not None:
        title += (
            f": {run.idle.rss_kb:.1f} kB of RSS per idle connection, {run.idle.connect_ms:.2f} ms of CPU per connect"
        )
    return "\n".join([title, *(describe_sample(name, sample) for name, sample in run.samples.items())])


def describe_growth(growth: Growth) -> str:
    """Describe the measurements of one server with a growing number of idle connections."""
    verdict = ""
    if growth.implementation is ServerImplementation.CHATWS:
        verdict = f", target <= {MAX_GROWTH:g} {'reached' if growth.ratio <= MAX_GROWTH else 'missed'}"
    steps = [_describe_step(step) for step in growth.steps]
    return "\n".join([f"{growth.implementation}: highest / first {growth.ratio:.2f}{verdict}", *steps])


def table(report: EngineReport) -> str:
    """Return the tables: all metrics by server, CPU by thread, growth, and the comparisons with their verdicts."""
    parts = [_metrics(report), _threads(report.runs), _growth(report.growth), _comparisons(report.ratios)]
    return "\n".join(line for part in parts for line in part)


def _metrics(report: EngineReport) -> Iterator[str]:
    implementations = list(dict.fromkeys(run.implementation for run in report.runs))
    if not implementations:
        return
    yield from (f"{implementation}: {TITLES[implementation]}" for implementation in implementations)
    yield f"\n{SPREAD_TITLE:<34}" + "".join(f"{implementation:>24}" for implementation in implementations)
    for name, by_server in report.spreads.items():
        cells = [_cell(by_server[implementation]) for implementation in implementations]
        yield f"{name:<34}" + "".join(f"{cell:>24}" for cell in cells)
    samples = [sample for run in report.runs for sample in run.samples.values()]
    if samples:
        other = sorted(sample.other_cores for sample in samples)
        yield f"cores used by other processes: median {other[len(other) // 2]:.2f}, highest {other[-1]:.2f}"
    invalid = [f"{run.implementation} in round {run.round}" for run in report.runs if not run.is_valid]
    if invalid:
        yield f"INVALID (late generator, or lost messages): {', '.join(invalid)}"


def _threads(runs: Sequence[EngineRun]) -> Iterator[str]:
    if not runs:
        return
    yield "\nCPU by thread, outside of the kernel + in it (medians)"
    for title in dict.fromkeys(title for run in runs for title in run.threads):
        for implementation in dict.fromkeys(run.implementation for run in runs):
            rounds = [run.threads[title] for run in runs if run.implementation is implementation]
            groups = median_times(rounds).items()
            cells = [f"{group} {time.user:.1f} + {time.kernel:.1f}" for group, time in groups]
            yield f"{title:<34}{implementation:<17}{'   '.join(cells)}"


def _growth(measured: Sequence[Growth]) -> Iterator[str]:
    if measured:
        yield "\nCPU per message with idle connections, without the CPU that the idle connections use"
    yield from (describe_growth(growth) for growth in measured)


def _comparisons(ratios: Sequence[Ratio]) -> Iterator[str]:
    for comparison in COMPARISONS:
        compared = [ratio for ratio in ratios if ratio.baseline in comparison.baselines]
        if not compared:
            continue
        yield f"\nchatws and {comparison.title}: medians, and ratios within a round"
        yield f"{'':<34}{'beside':<17}{'chatws':>9}{'other':>9}{SPREAD_TITLE:>28}{'target':>9}"
        for ratio in compared:
            values = f"{_number(ratio.ours):>9}{_number(ratio.theirs):>9}{format_spread(ratio.spread, 2):>28}"
            target = "" if ratio.target is None else f"{f'<= {ratio.target:g}':>9} {ratio.verdict}"
            yield f"{ratio.metric:<34}{ratio.baseline:<17}{values}{target}"


def _describe_step(step: GrowthStep) -> str:
    line = (
        f"  {step.idle_connections:6d} idle: {step.us_per_message:6.0f} us/message, "
        f"idle connections {step.idle_cores:.3f} cores, ack p99 {step.paced.ack.p99_ms:.1f} ms, "
        f"other {step.paced.other_cores:.2f} cores"
    )
    return line if step.paced.is_valid else f"{line}  INVALID"


def _digits(value: float) -> int:
    """Return the decimal places that give about three significant digits."""
    return 0 if value >= 100 else 1 if value >= 10 else 2  # noqa: PLR2004 - powers of ten


def _number(value: float) -> str:
    return f"{value:.{_digits(value)}f}"


def _cell(spread: Spread) -> str:
    return format_spread(spread, _digits(spread.median))
