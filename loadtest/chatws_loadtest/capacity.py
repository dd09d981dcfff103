"""Scenario ``capacity``: users are added until a threshold or the generator is the limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws_loadtest.capacity_search import CapacitySearch
from chatws_loadtest.capacity_steps import CapacityRun, step_thresholds
from chatws_loadtest.ramp import STEP_S
from chatws_loadtest.scenario_run import SETTLE_S
from chatws_loadtest.timeline import POLL_S

if TYPE_CHECKING:
    from chatws_loadtest.scenario_run import ScenarioRun
    from chatws_loadtest.stats_collector import StatsCollector
    from chatws_loadtest.verdict import GeneratorHealth


@dataclass(frozen=True, slots=True)
class ProcessLoad:
    """Users of the load processes of a run; implements `CapacityLoad`."""

    run: ScenarioRun
    stats: StatsCollector
    rate: float
    no_progress_s: float = 5.0
    """Clients retry after 1 s and 2 s."""

    def begin_step(self, users: int) -> None:
        self.run.timeline.users = users
        self.run.timeline.phase = f"{users} users"
        self.run.timeline.mark(f"{users} users")

    def begin_measurement(self, seconds: float) -> float:
        self.run.begin_measurement(seconds)
        return seconds + SETTLE_S

    def health(self) -> GeneratorHealth:
        return self.run.health()


async def find_capacity(run: ScenarioRun) -> None:
    """Add users in steps until one does not pass, then try numbers in between.

    A step passes if it meets the thresholds of latency and keeps every connection.
    """
    most, stats, rate = run.timeline.users, run.stats, run.options.rate
    capacity = CapacityRun(CapacitySearch(most), step_thresholds(run.thresholds), run.options.duration_s or STEP_S)
    users = capacity.search.users
    try:
        await run.start_sending(run.options.warmup_s)
        for wanted in capacity.run(ProcessLoad(run, stats, rate)):
            if wanted != users:
                users = wanted
                run.load.start_stage(users, rate)
            run.curve = capacity.curve
            await asyncio.sleep(POLL_S)
    finally:
        run.timeline.users = most
    run.curve = capacity.curve
    if capacity.best is not None:
        stats.latencies = {**capacity.best, **capacity.connecting}
        # A server that carries few connections gives few samples, which must not make its capacity invalid.
        run.undecided |= {
            item.text for item in capacity.thresholds if stats.latency(item.metric).count < item.samples_needed
        }
