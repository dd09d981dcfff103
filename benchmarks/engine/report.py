"""The benchmark as people read it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from benchmarks.engine.implementations import TITLES, ServerImplementation
from benchmarks.engine.results import (
    MAX_GROWTH,
    METRICS,
    EngineRun,
    GrowthStep,
    Ratio,
    Sample,
    growth_ratio,
)
from benchmarks.engine.run import EnginePlan
from chatws_loadtest.samples import Spread

FILE_NAME = "engine.json"


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one benchmark measured."""

    at: datetime
    machine: dict[str, str]
    plan: EnginePlan
    trials: list[EngineRun]
    growth: list[GrowthStep]
    spreads: dict[str, dict[ServerImplementation, Spread]]
    ratios: list[Ratio]


def write(report: EngineReport, folder: Path) -> Path:
    """Write the report into the folder, which is made, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return path


def describe_sample(name: str, sample: Sample) -> str:
    """Say in one line what a load showed, and whether it counts."""
    line = (
        f"  {name:<10} {sample.us_per_message:6.0f} us/message {sample.us_per_delivery:6.1f} us/delivery "
        f"{sample.deliveries_per_s:8.0f} deliveries/s  ack p50 {sample.ack.p50_ms:.1f} p99 {sample.ack.p99_ms:.1f} ms  "
        f"cores: server {sample.server_cores:.2f} generator {sample.generator_cores:.2f} other {sample.other_cores:.2f}"
        f"  lag p99 {sample.lag.p99_ms:.1f} ms"
    )
    if not sample.is_valid:
        return f"{line}  INVALID {sample.faults if sample.faults.any else 'late generator'}"
    return f"{line}  (generator-bound)" if sample.is_generator_bound else line


def describe_trial(trial: EngineRun) -> str:
    """Say what one contender showed in one round."""
    idle = f"{trial.idle.rss_kb:.1f} kB and {trial.idle.connect_ms:.2f} ms of CPU per idle connection"
    return "\n".join(
        [
            f"round {trial.round}, {trial.contender}: {idle}",
            describe_sample("paced", trial.paced),
            describe_sample("saturated", trial.saturated),
            describe_sample("fan-out", trial.fanout),
        ]
    )


def describe_step(step: GrowthStep) -> str:
    """Say what one number of idle connections did to the talk."""
    line = (
        f"  {step.idle_connections:6d} idle: {step.us_per_message:6.0f} us/message, idle {step.idle_cores:.3f} cores, "
        f"ack p99 {step.talk.ack.p99_ms:.1f} ms, other {step.talk.other_cores:.2f} cores"
    )
    return line if step.talk.is_valid else f"{line}  INVALID"


def table(report: EngineReport) -> str:
    """Give the tables: every metric of every contender, the ratios with their targets, the growth."""
    return "\n".join([*_metrics(report), *_ratios(report.ratios), *_growth(report.growth)])


def _metrics(report: EngineReport) -> Iterator[str]:
    contenders = list(dict.fromkeys(trial.contender for trial in report.trials))
    if not contenders:
        return
    yield from (f"{one}: {TITLES[one]}" for one in contenders)
    yield f"\n{'lowest / median / highest':<34}" + "".join(f"{one:>24}" for one in contenders)
    for name in METRICS:
        cells = [report.spreads[name][one] for one in contenders]
        yield f"{name:<34}" + "".join(f"{_cell(cell):>24}" for cell in cells)
    invalid = [f"{trial.contender} in round {trial.round}" for trial in report.trials if not trial.is_valid]
    if invalid:
        yield f"INVALID (late generator, or faults): {', '.join(invalid)}"


def _ratios(ratios: Sequence[Ratio]) -> Iterator[str]:
    if ratios:
        yield f"\n{'ratios of the same round':<59}{'low / median / high':>20}{'target':>9}"
    for ratio in ratios:
        what = f"{ratio.contender} / {ratio.beside}, {ratio.metric}"
        verdict = "reached" if ratio.is_reached else "MISSED"
        yield f"{what:<59}{_cell(ratio.spread, 2):>20}{f'<= {ratio.target:g}':>9} {verdict}"


def _growth(steps: Sequence[GrowthStep]) -> Iterator[str]:
    if not steps:
        return
    yield "\ngrowth: the same talk beside idle connections, their own CPU taken off"
    yield from (describe_step(step) for step in steps)
    ratio = growth_ratio(steps)
    yield f"  worst / first: {ratio:.2f}, target <= {MAX_GROWTH:g} {'reached' if ratio <= MAX_GROWTH else 'MISSED'}"


def _cell(spread: Spread, digits: int | None = None) -> str:
    places = digits if digits is not None else 0 if spread.median >= 100 else 1 if spread.median >= 10 else 2  # noqa: PLR2004 - three figures
    return " / ".join(f"{value:.{places}f}" for value in (spread.low, spread.median, spread.high))
