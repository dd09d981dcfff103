"""Reduction of a plan to the shortest list of steps that breaks the same invariant (delta debugging)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chatws_loadtest.simulate.plan import SERVER_FAULTS, PlannedStep, SimulationPlan

MAX_RUNS: Final = 600
"""Bound of the runs of one reduction; each takes about a tenth of a second."""


class Reduction:
    """Removes steps, servers and devices as long as ``is_broken`` stays true."""

    def __init__(self, is_broken: Callable[[SimulationPlan], bool]) -> None:
        self.runs = 0
        self._is_broken = is_broken

    def reduce(self, plan: SimulationPlan) -> SimulationPlan:
        """Return a plan from which no single step can be removed, unless the bound of the runs is reached."""
        plan = self._remove_steps(plan)
        plan = self._remove_servers(plan)
        return self._remove_devices(plan)

    def _remove_steps(self, plan: SimulationPlan) -> SimulationPlan:
        steps: Sequence[PlannedStep] = plan.steps
        size = max(1, len(steps) // 2)
        while steps:
            start, was_removed = 0, False
            while start < len(steps):
                fewer = (*steps[:start], *steps[start + size :])
                if self._holds(smaller := msgspec.structs.replace(plan, steps=fewer)):
                    plan, steps, was_removed = smaller, fewer, True
                else:
                    start += size
            if size > 1:
                size //= 2
            elif not was_removed:
                break
        return plan

    def _remove_servers(self, plan: SimulationPlan) -> SimulationPlan:
        while plan.servers > 1 and not any(
            step.do in SERVER_FAULTS and step.who == f"s{plan.servers}" for step in plan.steps
        ):
            fewer = msgspec.structs.replace(plan, servers=plan.servers - 1)
            if not self._holds(fewer):
                break
            plan = fewer
        return plan

    def _remove_devices(self, plan: SimulationPlan) -> SimulationPlan:
        used = {step.who for step in plan.steps}
        fewer = msgspec.structs.replace(plan, devices=tuple(name for name in plan.devices if name in used))
        return fewer if fewer != plan and self._holds(fewer) else plan

    def _holds(self, plan: SimulationPlan) -> bool:
        self.runs += 1
        return self.runs <= MAX_RUNS and self._is_broken(plan)
