"""Measurements of the layouts, the cost of conversations on other servers, and the printed tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from benchmarks.common.runner import SPREAD_TITLE, format_spread
from benchmarks.common.schedule import MAX_LAG_P99_MS
from chatws_loadtest.ledger import Balance
from chatws_loadtest.samples import Percentiles, spread

FILE_NAME: Final = "cluster.json"

MAX_REMOTE_SHARE: Final = 0.1
"""Highest cost of a message on a server that does not host its conversation, relative to the cost on its hosts."""


class Layout(StrEnum):
    """Number of servers, and the servers that the members of a conversation are connected to."""

    ONE = "one server"
    TOGETHER = "three, members on one"
    APART = "three, members on two"


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Size of the load, the same for every layout; ``rate`` is messages per second in each conversation."""

    idle: int
    conversations: int
    rate: float
    warmup_s: float
    window_s: float
    agents: int = 30
    content_chars: int = 80


class ClusterRun(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one layout; CPU time and memory are sums over all servers."""

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
        """Whether the generator kept its schedule and no message was lost."""
        return self.lag.p99_ms <= MAX_LAG_P99_MS and self.counts.is_clean


class IsolationStep(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of a server (``own``) while the other two host conversations that it does not host (``others``)."""

    others_messages_per_s: float
    own_messages_per_s: float
    own_cores: float
    others_cores: float
    lag: Percentiles
    counts: Balance

    @property
    def is_valid(self) -> bool:
        """Whether the generator kept its schedule and no message was lost."""
        return self.lag.p99_ms <= MAX_LAG_P99_MS and self.counts.is_clean


class ClusterReport(msgspec.Struct, frozen=True, kw_only=True):
    """All measurements of one benchmark."""

    at: datetime
    machine: dict[str, str]
    plan: ClusterPlan
    runs: list[ClusterRun]
    isolation: list[IsolationStep]
    remote_us_per_message: float
    """CPU time of a server for each message of conversations that it does not host."""
    host_us_per_message: float
    """CPU time of the hosting servers for the same messages."""

    @property
    def is_valid(self) -> bool:
        return all(run.is_valid for run in self.runs) and all(step.is_valid for step in self.isolation)

    @property
    def is_isolated(self) -> bool:
        """Whether the cost of a server is independent of conversations that it does not host."""
        return self.remote_us_per_message <= MAX_REMOTE_SHARE * self.host_us_per_message


_METRICS: Final[dict[str, Callable[[ClusterRun], float | None]]] = {
    "servers' CPU, us/message": lambda run: run.us_per_message,
    "PostgreSQL's CPU, us/message": lambda run: run.postgres_us_per_message,
    "Redis's CPU, us/message": lambda run: run.redis_us_per_message,
    "servers' CPU, ms/connect": lambda run: run.connect_ms,
    "RSS, kB/idle connection": lambda run: run.idle_kb,
    "ack p50, ms": lambda run: run.ack.p50_ms,
    "ack p99, ms": lambda run: run.ack.p99_ms,
    "delivery p50, ms": lambda run: run.peer.p50_ms,
    "delivery p99, ms": lambda run: run.peer.p99_ms,
}


def remote_us(steps: Sequence[IsolationStep]) -> float:
    """Return the CPU microseconds that a message costs a server that does not host its conversation.

    The result is the slope of a least-squares line over all steps, so that the server's constant work is excluded.
    """
    rates = [step.others_messages_per_s for step in steps]
    mean_rate, mean_cores = sum(rates) / len(steps), sum(step.own_cores for step in steps) / len(steps)
    covariance = sum((step.others_messages_per_s - mean_rate) * (step.own_cores - mean_cores) for step in steps)
    return covariance / sum((rate - mean_rate) ** 2 for rate in rates) * 1e6


def host_us(steps: Sequence[IsolationStep]) -> float:
    """Return the CPU microseconds that a message costs its hosting servers, at the highest rate, where it is lowest."""
    busiest = max(steps, key=lambda step: step.others_messages_per_s)
    return busiest.others_cores / busiest.others_messages_per_s * 1e6


def describe_run(run: ClusterRun) -> str:
    """Describe the measurements of one layout in one line."""
    return (
        f"round {run.round}, {run.layout:<21} {run.us_per_message:5.0f} us/message, "
        f"ack p99 {run.ack.p99_ms:.1f} ms, delivery p99 {run.peer.p99_ms:.1f} ms, "
        f"generator lag p99 {run.lag.p99_ms:.1f} ms, other {run.other_cores:.2f} cores{_mark(run.is_valid)}"
    )


def describe_step(step: IsolationStep) -> str:
    """Describe the measurements at one rate in one line."""
    return (
        f"  {step.others_messages_per_s:5.0f} messages/s on the other servers: {step.own_cores:.3f} cores here "
        f"({step.own_messages_per_s:.0f} messages/s hosted here), {step.others_cores:.3f} there{_mark(step.is_valid)}"
    )


def table(report: ClusterReport) -> str:
    """Return the spread of every metric by layout, and the cost of conversations on other servers."""
    return "\n".join([*_table(report.runs), _isolation(report)])


def _table(runs: Sequence[ClusterRun]) -> Iterator[str]:
    yield f"\n{SPREAD_TITLE:<34}" + "".join(f"{layout:>26}" for layout in Layout)
    for name, metric in _METRICS.items():
        cells = []
        for layout in Layout:
            values = [metric(run) for run in runs if run.layout is layout]
            measured = [value for value in values if value is not None]
            cells.append(format_spread(spread(measured), 1) if measured else "-")
        yield f"{name:<34}" + "".join(f"{cell:>26}" for cell in cells)


def _isolation(report: ClusterReport) -> str:
    return (
        f"\nCPU per message: {report.host_us_per_message:.0f} us on the servers that host its conversation, "
        f"{report.remote_us_per_message:.1f} us on a server that does not"
    )


def _mark(is_valid: bool) -> str:  # noqa: FBT001 - the only argument
    return "" if is_valid else "  INVALID"
