"""Measurements of the servers by one benchmark: loads, idle connections, growth."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from benchmarks.common.schedule import MAX_LAG_P99_MS
from benchmarks.engine.counters import DeliveryErrors
from benchmarks.engine.implementations import ServerImplementation
from benchmarks.engine.thread_meter import ThreadTimes
from chatws_loadtest.samples import Percentiles

BUSY_GENERATOR: Final = 0.9
"""From this share of a core on, the generator limits the throughput, not the server."""


MAX_GROWTH: Final = 1.3
"""Highest cost of a message with idle connections, relative to the cost without them."""


class EngineRow(StrEnum):
    """Parts of the benchmark, by the name used in options."""

    IDLE = "idle"
    PAIRS = "pairs"
    FANOUT = "fanout"
    GROWTH = "growth"


class LoadSample(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one load on one server; values in cores are CPU time per second of the window."""

    us_per_message: float
    us_per_delivery: float
    threads_us_per_message: ThreadTimes
    threads_us_per_delivery: ThreadTimes
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
    threads_us_per_connect: ThreadTimes


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one server in one round; parts that were not selected are None."""

    implementation: ServerImplementation
    round: int
    idle: IdleCost | None = None
    paced: LoadSample | None = None
    saturated: LoadSample | None = None
    fanout: LoadSample | None = None
    dropped_connections: int = 0

    @property
    def samples(self) -> dict[str, LoadSample]:
        """Measured loads by name."""
        samples = {"paced": self.paced, "saturated": self.saturated, "fan-out": self.fanout}
        return {name: sample for name, sample in samples.items() if sample is not None}

    @property
    def threads(self) -> dict[str, ThreadTimes]:
        """CPU time by thread of each measured part, by title."""
        times: dict[str, ThreadTimes] = {}
        if self.saturated is not None:
            times["pairs, saturated: us/message"] = self.saturated.threads_us_per_message
        if self.paced is not None:
            times["pairs, paced: us/message"] = self.paced.threads_us_per_message
        if self.fanout is not None:
            times["fan-out to 50: us/delivery"] = self.fanout.threads_us_per_delivery
        if self.idle is not None:
            times["idle: us/connect"] = self.idle.threads_us_per_connect
        return times

    @property
    def is_valid(self) -> bool:
        return not self.dropped_connections and all(sample.is_valid for sample in self.samples.values())


class GrowthStep(msgspec.Struct, frozen=True, kw_only=True):
    """Measurement of the paced load with a number of idle connections.

    ``idle_cores`` is the CPU that the idle connections use, measured without the load; ``us_per_message`` excludes it.
    """

    idle_connections: int
    idle_cores: float
    us_per_message: float
    paced: LoadSample


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one server with a growing number of idle connections."""

    implementation: ServerImplementation
    steps: list[GrowthStep]

    @property
    def is_valid(self) -> bool:
        return all(step.paced.is_valid for step in self.steps)

    @property
    def ratio(self) -> float:
        """Highest cost of a message relative to the first step, which has the fewest idle connections."""
        return max(step.us_per_message for step in self.steps) / self.steps[0].us_per_message
