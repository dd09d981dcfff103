"""Bugs planted in the product, each of which the simulation finds within a few seeds; 10 s."""

from __future__ import annotations

import pytest

from chatws_loadtest.simulate.campaign import Campaign, FailedSeed
from chatws_loadtest.simulate.planner import draw_plan
from chatws_loadtest.simulate.runner import run_plan
from tests.loadtest.simulate.planted_bugs import PLANTED

FIRST_SEEDS = range(1, 20)
"""Seeds that pass without a planted bug, as `test_seeds_pass` verifies."""


def find() -> str | None:
    """Return the first invariant that a planted bug breaks."""
    broken = (run_plan(draw_plan(seed)).broken for seed in FIRST_SEEDS)
    return next((found.name for found in broken if found is not None), None)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, invariants = PLANTED[name]
    plant(monkeypatch)
    assert find() in invariants


def test_failure_is_reduced_to_a_plan_that_repeats_it_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    plant, _ = PLANTED["repetition under a new id"]
    plant(monkeypatch)
    reported: list[FailedSeed] = []
    Campaign(reported.append, hashes_traces=False).run([1])
    [failure] = reported
    assert failure.plan is not None
    assert len(failure.plan.steps) <= 8 < failure.steps
    assert {"connect", "join", "send"} <= {step.do for step in failure.plan.steps}
    again = run_plan(failure.plan)
    assert (again.broken, tuple(again.trace.lines())) == (failure.broken, failure.trace)
    monkeypatch.undo()
    assert run_plan(failure.plan).broken is None
