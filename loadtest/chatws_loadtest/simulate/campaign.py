"""Runs of many seeds: what they did, and the failures, reduced to their shortest plans."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

import msgspec

from chatws_loadtest.simulate.invariants import BrokenInvariant
from chatws_loadtest.simulate.plan import SimulationPlan
from chatws_loadtest.simulate.planner import draw_plan
from chatws_loadtest.simulate.reduction import Reduction
from chatws_loadtest.simulate.runner import RunResult, run_plan


class FailedSeed(msgspec.Struct, frozen=True):
    """Seed that broke an invariant; only the first one of each invariant is reduced."""

    seed: int
    broken: BrokenInvariant
    steps: int
    """Number of steps of the seed's plan."""
    plan: SimulationPlan | None
    """Reduced plan; None if the seed was not reduced."""
    trace: tuple[str, ...]
    """Trace of the reduced plan."""
    runs: int
    """Number of runs of the reduction."""


class CampaignTotals(msgspec.Struct):
    """Sums over the runs."""

    seeds: int = 0
    actions: int = 0
    faults: int = 0
    messages: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, plan: SimulationPlan, result: RunResult, cpu_s: float) -> None:
        """Add one run."""
        faults = sum(step.is_fault for step in plan.steps)
        self.seeds += 1
        self.actions += len(plan.steps) - faults
        self.faults += faults
        self.messages += result.messages
        self.virtual_s += result.virtual_s
        self.cpu_s += cpu_s


class Campaign:
    """Runs seeds one after another."""

    def __init__(self, report: Callable[[FailedSeed], None], *, hashes_traces: bool) -> None:
        self.totals = CampaignTotals()
        self.failures: list[FailedSeed] = []
        self._report = report
        self._hashes_traces = hashes_traces
        self._digest = hashlib.sha256()

    def run(self, seeds: Iterable[int]) -> None:
        """Run the plans of these seeds."""
        for seed in seeds:
            plan = draw_plan(seed)
            began = time.process_time()
            result = run_plan(plan)
            self.totals.add(plan, result, time.process_time() - began)
            if self._hashes_traces:
                self._digest.update(result.trace.digest().encode())
            if result.broken is not None:
                failure = self._reduce(plan, result.broken)
                self.failures.append(failure)
                self._report(failure)

    @property
    def digest(self) -> str:
        """Hash of all traces, if they are hashed; the same seeds give the same one."""
        return self._digest.hexdigest()

    def _reduce(self, plan: SimulationPlan, broken: BrokenInvariant) -> FailedSeed:
        if any(failure.broken.name == broken.name for failure in self.failures):
            return FailedSeed(plan.seed, broken, len(plan.steps), None, (), 0)
        reduction = Reduction(lambda smaller: _breaks(smaller, broken.name))
        reduced = msgspec.structs.replace(reduction.reduce(plan), breaks=broken.name)
        result = run_plan(reduced)
        return FailedSeed(
            plan.seed,
            result.broken or broken,
            len(plan.steps),
            reduced,
            tuple(result.trace.lines()),
            reduction.runs,
        )


def _breaks(plan: SimulationPlan, name: str) -> bool:
    broken = run_plan(plan).broken
    return broken is not None and broken.name == name
