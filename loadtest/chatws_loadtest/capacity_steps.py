"""Steps of a capacity search, for any generator: numbers of users over time, and the verdict on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chatws_loadtest.capacity_curve import CapacityCurve, CapacityStep, make_curve
from chatws_loadtest.capacity_search import CapacityLimit, CapacitySearch, CapacityStepResult
from chatws_loadtest.capacity_step import StepLoad, describe_step, judge_step
from chatws_loadtest.histogram import Histogram
from chatws_loadtest.ramp import JUDGED
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.thresholds import MetricKind, Threshold
from chatws_loadtest.timeline import now_s
from chatws_loadtest.verdict import GeneratorHealth

LEAVE_TIMEOUT_S: Final = 40.0
"""Time for all users to leave after a step that missed; they wait up to 30 s for their messages."""

CONNECTING: Final = frozenset({"connect", "transport", "namespace", "authenticated", "joined"})
"""Latencies of the users that a step adds; they are measured before the step's messages."""


class CapacityLoad(Protocol):
    """Generator whose number of users a `CapacityRun` controls."""

    @property
    def stats(self) -> StatsCollector:
        """Statistics of all load processes."""

    @property
    def rate(self) -> float:
        """Messages per second of each user."""

    @property
    def no_progress_s(self) -> float:
        """Time without a further connection after which the server is at its limit."""

    def begin_step(self, users: int) -> None:
        """Called before the users of a step connect."""

    def begin_measurement(self, seconds: float) -> float:
        """Discard earlier measurements; return the time after which the statistics include the last acks."""

    def health(self) -> GeneratorHealth:
        """Return the health of the generator during the measurement."""


@dataclass(slots=True)
class CapacityRun:
    """Capacity search on one generator; the run is judged by its best step, or without one, by the last."""

    search: CapacitySearch
    thresholds: Sequence[Threshold]
    """Thresholds of latency that a step must meet."""
    step_s: float
    """Seconds measured in each step."""
    curve: CapacityCurve | None = None
    """Result of the steps so far; None before the end of the first."""
    best: dict[str, Histogram] | None = None
    """Latencies of the step with the most connections that passed."""
    connecting: dict[str, Histogram] = field(default_factory=dict)
    """Latencies of all connects, except those of steps that missed a threshold."""
    _steps: list[CapacityStep] = field(default_factory=list)

    def run(self, load: CapacityLoad) -> Iterator[int]:
        """Yield repeatedly the number of users that must be connected now; the caller decides how often."""
        while (users := self.search.users) is not None:
            load.begin_step(users)
            yield from self._try(load, users)
            self.curve = make_curve(self._steps, self.search.passed, CapacityLimit.STOPPED)
        self.curve = make_curve(self._steps, self.search.passed, self.search.limit)

    def _try(self, load: CapacityLoad, users: int) -> Iterator[int]:
        """Run one step, and record its result."""
        stats = load.stats
        if self._steps:
            stats.reset_measurements()
        yield from _wait_for_connections(load, users)
        connecting = {metric: stats.latency(metric) for metric in CONNECTING}
        until_s = now_s() + load.begin_measurement(self.step_s)
        while now_s() < until_s:
            yield users
        connections = min(users, stats.fewest_connections)
        if stats.sent - stats.acked > users:
            # The slowest messages are still in flight, and would be missing from the percentiles.
            yield from _remove_users(load)
        stats.latencies.update(connecting)
        step_load = StepLoad(users, connections, load.rate, self.step_s)
        result, reason = judge_step(step_load, stats, load.health(), self.thresholds)
        self._steps.append(describe_step(step_load, stats, load.health(), result, reason))
        self.search.record(result, connections)
        if result in {CapacityStepResult.PASSED, CapacityStepResult.REFUSED, CapacityStepResult.UNDECIDED}:
            for metric, histogram in connecting.items():
                self.connecting.setdefault(metric, Histogram()).merge(histogram)
        if result in {CapacityStepResult.PASSED, CapacityStepResult.REFUSED}:
            self.best = stats.latencies
        elif result is not CapacityStepResult.UNDECIDED:
            yield from _remove_users(load)


def step_thresholds(thresholds: Sequence[Threshold]) -> list[Threshold]:
    """Return the thresholds that each step of a search is judged by."""
    return [item for item in thresholds if item.metric in JUDGED | CONNECTING and item.kind is MetricKind.LATENCY]


def _wait_for_connections(load: CapacityLoad, users: int) -> Iterator[int]:
    """Wait until this many users are connected, or the server has accepted none for some time."""
    reached, progressed_s = -1, now_s()
    while reached != users and now_s() < progressed_s + load.no_progress_s:
        yield users
        if load.stats.connections != reached:
            reached, progressed_s = load.stats.connections, now_s()


def _remove_users(load: CapacityLoad) -> Iterator[int]:
    """Let all users leave once their messages are acked: any load would prolong the backlog."""
    until_s = now_s() + LEAVE_TIMEOUT_S
    yield 0
    while load.stats.connections and now_s() < until_s:
        yield 0
