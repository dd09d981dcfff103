"""Measurements of the servers, the ratios between them, and the targets of the ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks.common.schedule import MAX_LAG_P99_MS
from benchmarks.engine.counters import DeliveryErrors
from benchmarks.engine.implementations import ServerImplementation
from chatws_loadtest.samples import Percentiles, Spread, spread

BUSY_GENERATOR: Final = 0.9
"""From this share of a core on, the generator limits the throughput, not the server."""


class LoadSample(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one load on one server; values in cores are CPU time per second of the window."""

    us_per_message: float
    us_per_delivery: float
    messages_per_s: float
    deliveries_per_s: float
    server_cores: float
    generator_cores: float
    other_cores: float
    ack: Percentiles
    peer: Percentiles
    lag: Percentiles
    errors: DeliveryErrors

    @property
    def is_valid(self) -> bool:
        """Whether the generator kept its schedule and every message was delivered."""
        return not self.errors.any and self.lag.p99_ms <= MAX_LAG_P99_MS

    @property
    def is_generator_bound(self) -> bool:
        return self.generator_cores >= BUSY_GENERATOR


class IdleCost(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one idle connection, and CPU time to open it."""

    rss_kb: float
    connect_ms: float


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one server in one round."""

    implementation: ServerImplementation
    round: int
    idle: IdleCost
    paced: LoadSample
    saturated: LoadSample
    fanout: LoadSample
    dropped_connections: int

    @property
    def is_valid(self) -> bool:
        samples = self.paced, self.saturated, self.fanout
        return not self.dropped_connections and all(sample.is_valid for sample in samples)


class GrowthStep(msgspec.Struct, frozen=True, kw_only=True):
    """Measurement of the paced load with a number of idle connections.

    ``idle_cores`` is the CPU that the idle connections use, measured without the load; ``us_per_message`` excludes it.
    """

    idle_connections: int
    idle_cores: float
    us_per_message: float
    paced: LoadSample


METRICS: Final[dict[str, Callable[[EngineRun], float]]] = {
    "pairs, paced: CPU us/message": lambda run: run.paced.us_per_message,
    "pairs, saturated: CPU us/message": lambda run: run.saturated.us_per_message,
    "pairs, saturated: deliveries/s": lambda run: run.saturated.deliveries_per_s,
    "pairs, paced: ack p50 ms": lambda run: run.paced.ack.p50_ms,
    "pairs, paced: ack p99 ms": lambda run: run.paced.ack.p99_ms,
    "pairs, paced: delivery p50 ms": lambda run: run.paced.peer.p50_ms,
    "pairs, paced: delivery p99 ms": lambda run: run.paced.peer.p99_ms,
    "pairs, saturated: ack p50 ms": lambda run: run.saturated.ack.p50_ms,
    "pairs, saturated: ack p99 ms": lambda run: run.saturated.ack.p99_ms,
    "fan-out to 50: CPU us/delivery": lambda run: run.fanout.us_per_delivery,
    "fan-out to 50: deliveries/s": lambda run: run.fanout.deliveries_per_s,
    "idle: RSS kB/connection": lambda run: run.idle.rss_kb,
    "idle: CPU ms/connect": lambda run: run.idle.connect_ms,
}
"""Rows of the table, by title."""

TARGETS: Final[dict[tuple[ServerImplementation, ServerImplementation, str], float]] = {
    (ServerImplementation.CHATWS, ServerImplementation.NODE, "pairs, paced: CPU us/message"): 1.0,
    (ServerImplementation.CHATWS, ServerImplementation.NODE, "pairs, saturated: CPU us/message"): 1.0,
    (ServerImplementation.CHATWS, ServerImplementation.NODE, "fan-out to 50: CPU us/delivery"): 0.7,
    (ServerImplementation.CHATWS, ServerImplementation.NODE, "idle: RSS kB/connection"): 0.85,
    (ServerImplementation.CHATWS, ServerImplementation.NODE, "idle: CPU ms/connect"): 0.7,
    (ServerImplementation.CHATWS_MEMORY, ServerImplementation.NODE, "pairs, paced: CPU us/message"): 0.75,
    (ServerImplementation.CHATWS_MEMORY, ServerImplementation.NODE, "pairs, saturated: CPU us/message"): 0.75,
    (ServerImplementation.CHATWS, ServerImplementation.STOCK, "pairs, paced: CPU us/message"): 0.2,
    (ServerImplementation.CHATWS, ServerImplementation.STOCK, "pairs, saturated: CPU us/message"): 0.2,
    (ServerImplementation.CHATWS, ServerImplementation.STOCK, "fan-out to 50: CPU us/delivery"): 0.2,
}
"""Highest ratio of the first server's metric to the second's."""

MAX_GROWTH: Final = 1.3
"""Highest cost of a message with idle connections, relative to the cost without them."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """Ratio of one metric of a server to that of the baseline in the same round, over all rounds."""

    implementation: ServerImplementation
    baseline: ServerImplementation
    metric: str
    spread: Spread
    target: float

    @property
    def is_reached(self) -> bool:
        return self.spread.median <= self.target


def spreads(runs: Sequence[EngineRun]) -> dict[str, dict[ServerImplementation, Spread]]:
    """Return the lowest, median and highest value of each metric for each server."""
    return {
        name: {
            implementation: spread([value(run) for run in runs if run.implementation is implementation])
            for implementation in dict.fromkeys(run.implementation for run in runs)
        }
        for name, value in METRICS.items()
    }


def ratios(runs: Sequence[EngineRun]) -> list[Ratio]:
    """Compare the measured servers round by round, since other processes disturb both servers of a round alike."""
    by_round = {(run.round, run.implementation): run for run in runs}
    rounds = sorted({run.round for run in runs})
    compared: list[Ratio] = []
    for (implementation, baseline, metric), target in TARGETS.items():
        value = METRICS[metric]
        pairs = [(by_round.get((number, implementation)), by_round.get((number, baseline))) for number in rounds]
        values = [value(run) / value(base) for run, base in pairs if run and base and value(base)]
        if values:
            compared.append(
                Ratio(
                    implementation=implementation,
                    baseline=baseline,
                    metric=metric,
                    spread=spread(values),
                    target=target,
                )
            )
    return compared


def growth_ratio(steps: Sequence[GrowthStep]) -> float:
    """Return the highest cost of a message relative to the first step, which has the fewest idle connections."""
    return max(step.us_per_message for step in steps) / steps[0].us_per_message
