"""What the cluster benchmark measured, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from benchmarks.common.measurement import MAX_LAG_P99_MS
from chatws_loadtest.ledger import Balance
from chatws_loadtest.samples import Percentiles, Spread, spread

FILE_NAME = "cluster.json"

MAX_STRANGE_SHARE = 0.1
"""A server that others' traffic costs more than this of what it costs them does not only hear what it hosts."""


class Layout(StrEnum):
    """Where people are."""

    ONE = "one server"
    TOGETHER = "three, members on one"
    APART = "three, members on two"


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is put on the servers, however many there are; ``rate`` is messages per second in each conversation."""

    idle: int
    conversations: int
    rate: float
    warmup_s: float
    window_s: float
    agents: int = 30
    content_chars: int = 80


class ClusterRun(msgspec.Struct, frozen=True, kw_only=True):
    """One layout under the load; CPU is that of all servers together, unless it says otherwise."""

    layout: Layout
    round: int
    messages_per_s: float
    us_per_message: float
    postgres_us_per_message: float | None
    redis_us_per_message: float | None
    connect_ms: float
    idle_kb: float
    ack: Percentiles
    peer: Percentiles
    lag: Percentiles
    counts: Balance
    generator_cores: float
    other_cores: float

    @property
    def is_valid(self) -> bool:
        """Whether it says something about the servers: the generator kept its schedule and nothing was lost."""
        return self.lag.p99_ms <= MAX_LAG_P99_MS and self.counts.is_clean


class ClusterStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a server used that hosts none of the rooms that were busy."""

    others_messages_per_s: float
    own_messages_per_s: float
    own_cores: float
    others_cores: float
    lag: Percentiles
    counts: Balance

    @property
    def is_valid(self) -> bool:
        return self.lag.p99_ms <= MAX_LAG_P99_MS and self.counts.is_clean


class ClusterReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one benchmark measured."""

    at: datetime
    machine: dict[str, str]
    plan: ClusterPlan
    trials: list[ClusterRun]
    isolation: list[ClusterStep]
    strange_us_per_message: float
    """CPU of the server for each message of a room it does not host."""
    busy_us_per_message: float
    """CPU of those that do, for the same messages."""

    @property
    def is_valid(self) -> bool:
        return all(trial.is_valid for trial in self.trials) and all(step.is_valid for step in self.isolation)

    @property
    def is_isolated(self) -> bool:
        """Whether a server's cost does not grow with rooms it does not host."""
        return self.strange_us_per_message <= MAX_STRANGE_SHARE * self.busy_us_per_message


_METRICS: dict[str, Callable[[ClusterRun], float | None]] = {
    "servers' CPU, us per message": lambda trial: trial.us_per_message,
    "PostgreSQL's CPU, us per message": lambda trial: trial.postgres_us_per_message,
    "Redis's CPU, us per message": lambda trial: trial.redis_us_per_message,
    "servers' CPU, ms per connect": lambda trial: trial.connect_ms,
    "kB per idle connection": lambda trial: trial.idle_kb,
    "ack p50, ms": lambda trial: trial.ack.p50_ms,
    "ack p99, ms": lambda trial: trial.ack.p99_ms,
    "peer p50, ms": lambda trial: trial.peer.p50_ms,
    "peer p99, ms": lambda trial: trial.peer.p99_ms,
}


def strange_us(steps: Sequence[ClusterStep]) -> float:
    """Return what each message elsewhere costs the server that does not host it, in microseconds of CPU.

    It is a slope, by least squares over all steps, so that what the server does anyway does not count.
    """
    rates = [step.others_messages_per_s for step in steps]
    mean_rate, mean_cores = sum(rates) / len(steps), sum(step.own_cores for step in steps) / len(steps)
    together = sum((step.others_messages_per_s - mean_rate) * (step.own_cores - mean_cores) for step in steps)
    return together / sum((rate - mean_rate) ** 2 for rate in rates) * 1e6


def busy_us(steps: Sequence[ClusterStep]) -> float:
    """Return what each message costs the servers that host it where they are busiest, and so cheapest."""
    busiest = max(steps, key=lambda step: step.others_messages_per_s)
    return busiest.others_cores / busiest.others_messages_per_s * 1e6


def write(report: ClusterReport, folder: Path) -> Path:
    """Write the report into the folder, which is made, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return path


def describe_trial(trial: ClusterRun) -> str:
    return (
        f"round {trial.round}, {trial.layout:<21} {trial.us_per_message:5.0f} us/message, "
        f"ack p99 {trial.ack.p99_ms:.1f} ms, peer p99 {trial.peer.p99_ms:.1f} ms, lag p99 {trial.lag.p99_ms:.1f} ms, "
        f"other {trial.other_cores:.2f} cores{_mark(trial.is_valid)}"
    )


def describe_step(step: ClusterStep) -> str:
    return (
        f"  {step.others_messages_per_s:5.0f} messages/s elsewhere: {step.own_cores:.3f} cores here "
        f"({step.own_messages_per_s:.0f} messages/s of its own), {step.others_cores:.3f} there{_mark(step.is_valid)}"
    )


def table(report: ClusterReport) -> str:
    """Give lowest, middle and highest of every metric by layout, and what strange traffic costs."""
    return "\n".join([*_table(report.trials), *_isolation(report)])


def _table(trials: Sequence[ClusterRun]) -> Iterator[str]:
    yield f"\n{'lowest / median / highest':<34}" + "".join(f"{layout:>26}" for layout in Layout)
    for name, metric in _METRICS.items():
        cells = []
        for layout in Layout:
            values = [metric(trial) for trial in trials if trial.layout is layout]
            known = [value for value in values if value is not None]
            cells.append(_cell(spread(known)) if known else "-")
        yield f"{name:<34}" + "".join(f"{cell:>26}" for cell in cells)


def _isolation(report: ClusterReport) -> Iterator[str]:
    yield (
        f"\neach message of a room that a server does not host costs it {report.strange_us_per_message:.1f} us, "
        f"and those that host it {report.busy_us_per_message:.0f} us"
    )


def _cell(values: Spread) -> str:
    return f"{values.low:.1f} / {values.median:.1f} / {values.high:.1f}"


def _mark(is_valid: bool) -> str:  # noqa: FBT001  the one thing it says
    return "" if is_valid else "  INVALID"
