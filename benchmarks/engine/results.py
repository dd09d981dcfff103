"""What was measured, and what it comes to beside the other servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks.engine.counters import DeliveryErrors
from benchmarks.engine.implementations import ServerImplementation
from chatws_loadtest.samples import Percentiles, Spread, spread

MAX_LAG_P99_MS: Final = 20.0
"""A generator later than this in one send of a hundred measures itself."""

BUSY_GENERATOR: Final = 0.9
"""From this share of a core on, the generator is the limit, not the server."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One load on one server; CPU in cores is time used per second of the window."""

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
    faults: DeliveryErrors

    @property
    def is_valid(self) -> bool:
        return not self.faults.any and self.lag.p99_ms <= MAX_LAG_P99_MS

    @property
    def is_generator_bound(self) -> bool:
        return self.generator_cores >= BUSY_GENERATOR


class IdleCost(msgspec.Struct, frozen=True, kw_only=True):
    """What connections cost that do nothing."""

    rss_kb: float
    connect_ms: float


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """One contender in one round."""

    contender: ServerImplementation
    round: int
    idle: IdleCost
    paced: Sample
    saturated: Sample
    fanout: Sample
    dropped_connections: int

    @property
    def is_valid(self) -> bool:
        samples = self.paced, self.saturated, self.fanout
        return not self.dropped_connections and all(sample.is_valid for sample in samples)


class GrowthStep(msgspec.Struct, frozen=True, kw_only=True):
    """The same talk beside so many idle connections; their own CPU is in ``idle_cores`` and taken off the rest."""

    idle_connections: int
    idle_cores: float
    us_per_message: float
    talk: Sample


METRICS: Final[dict[str, Callable[[EngineRun], float]]] = {
    "pairs, paced: CPU us/message": lambda trial: trial.paced.us_per_message,
    "pairs, saturated: CPU us/message": lambda trial: trial.saturated.us_per_message,
    "pairs, saturated: deliveries/s": lambda trial: trial.saturated.deliveries_per_s,
    "pairs, paced: ack p50 ms": lambda trial: trial.paced.ack.p50_ms,
    "pairs, paced: ack p99 ms": lambda trial: trial.paced.ack.p99_ms,
    "pairs, paced: peer p50 ms": lambda trial: trial.paced.peer.p50_ms,
    "pairs, paced: peer p99 ms": lambda trial: trial.paced.peer.p99_ms,
    "pairs, saturated: ack p50 ms": lambda trial: trial.saturated.ack.p50_ms,
    "pairs, saturated: ack p99 ms": lambda trial: trial.saturated.ack.p99_ms,
    "fan-out to 50: CPU us/delivery": lambda trial: trial.fanout.us_per_delivery,
    "fan-out to 50: deliveries/s": lambda trial: trial.fanout.deliveries_per_s,
    "idle: RSS kB/connection": lambda trial: trial.idle.rss_kb,
    "idle: CPU ms/connect": lambda trial: trial.idle.connect_ms,
}
"""What the table shows, by its name there."""

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
"""The most that one contender's number may be of another's."""

MAX_GROWTH: Final = 1.3
"""The most that a message may cost beside idle connections, of what it costs without them."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one contender, divided by another's of the same round."""

    contender: ServerImplementation
    beside: ServerImplementation
    metric: str
    spread: Spread
    target: float

    @property
    def is_reached(self) -> bool:
        return self.spread.median <= self.target


def spreads(trials: Sequence[EngineRun]) -> dict[str, dict[ServerImplementation, Spread]]:
    """Give each metric's lowest, middle and highest value for each contender."""
    contenders = dict.fromkeys(trial.contender for trial in trials)
    return {
        name: {one: spread([value(trial) for trial in trials if trial.contender is one]) for one in contenders}
        for name, value in METRICS.items()
    }


def ratios(trials: Sequence[EngineRun]) -> list[Ratio]:
    """Compare the contenders that took part, round by round: neighbours on the machine trouble both of a pair."""
    found = {(trial.round, trial.contender): trial for trial in trials}
    rounds = sorted({trial.round for trial in trials})
    made: list[Ratio] = []
    for (contender, beside, metric), target in TARGETS.items():
        value = METRICS[metric]
        pairs = [(found.get((number, contender)), found.get((number, beside))) for number in rounds]
        values = [value(mine) / value(other) for mine, other in pairs if mine and other and value(other)]
        if values:
            made.append(Ratio(contender=contender, beside=beside, metric=metric, spread=spread(values), target=target))
    return made


def growth_ratio(steps: Sequence[GrowthStep]) -> float:
    """Give the worst step's cost of a message, of the first's, which has the fewest idle connections."""
    return max(step.us_per_message for step in steps) / steps[0].us_per_message
