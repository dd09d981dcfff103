"""Scenario run: the load, the server and the statistics that the steps of a scenario act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chatws_loadtest.capacity_curve import CapacityCurve
from chatws_loadtest.ipc import Measure, StartSending
from chatws_loadtest.proxy import FaultProxy
from chatws_loadtest.results import RampStep, StageResult
from chatws_loadtest.run_request import RunOptions
from chatws_loadtest.scenario_load import ScenarioLoad
from chatws_loadtest.server_monitor import ServerMonitor
from chatws_loadtest.server_process import ServerUnderTest
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.thresholds import Threshold
from chatws_loadtest.timeline import Timeline, now_s
from chatws_loadtest.verdict import GeneratorHealth

START_DELAY_S: Final = 0.05
"""Time that the command to start sending needs to reach every load process."""

SETTLE_S: Final = 2.0
"""Time after a measurement in which acks of its last messages, and the statistics that report them, arrive."""


@dataclass(slots=True)
class ScenarioRun:
    """One run of a scenario, with every user connected."""

    options: RunOptions
    thresholds: Sequence[Threshold]
    timeline: Timeline
    stats: StatsCollector
    load: ScenarioLoad
    monitor: ServerMonitor
    server: ServerUnderTest | None
    """Process of the bundled server, which a scenario may kill; None: the server is not bundled."""
    proxy: FaultProxy | None
    """Proxy that every user connects through; None: the scenario injects no network faults."""
    steps: list[RampStep] = field(default_factory=list)
    stages: list[StageResult] = field(default_factory=list)
    """Stages that have ended."""
    curve: CapacityCurve | None = None
    """Capacity found so far, by a scenario that searches for it."""
    undecided: set[str] = field(default_factory=set)
    """Thresholds that the scenario does not judge, because it had too few samples."""
    findings: list[str] = field(default_factory=list)
    """Notes for the report."""

    @property
    def server_rss_bytes(self) -> int | None:
        """Current memory of the server; None if its process is not visible from here."""
        return None if self.monitor.usage is None else self.monitor.usage.rss_bytes

    async def start_sending(self, warmup_s: float) -> None:
        """Start sending messages, and return at the end of the warm-up, when the measurement begins."""
        start_s = now_s() + START_DELAY_S
        self.stats.start_s = start_s
        self.stats.measure_from_s = start_s + warmup_s
        self.load.pool.send(Measure(start_s + warmup_s, float(10**9)))
        self.load.pool.send(StartSending(start_s))
        self.timeline.phase = "warming up"
        await self.timeline.hold(warmup_s + START_DELAY_S)
        self.timeline.phase = "measuring"

    async def measure(self, seconds: float) -> None:
        """Discard earlier measurements and measure for this time; return when the last acks have arrived."""
        self.begin_measurement(seconds)
        await self.timeline.hold(seconds + SETTLE_S)

    def begin_measurement(self, seconds: float) -> None:
        """Discard earlier measurements and measure for this time; the last acks arrive within `SETTLE_S` after it."""
        from_s = now_s()
        self.stats.reset_measurements()
        if self.monitor.usage is not None:
            self.monitor.usage.reset_measurements()
        self.stats.measure_from_s, self.stats.measure_until_s = from_s, from_s + seconds
        self.load.pool.send(Measure(from_s, from_s + seconds))

    def health(self) -> GeneratorHealth:
        """Return the generator's health so far."""
        return self.stats.health([], self.load.pool.lost)
