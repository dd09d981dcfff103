"""Result of the scenario ``capacity``: its steps, the limit, and the fitted curve of throughput over connections."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatws_loadtest.capacity_search import CapacityLimit, CapacityStepResult
from chatws_loadtest.usl import NoFit, UslFit, fit_usl


class CapacityStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Measurements of one step; latencies in microseconds, CPU in cores, None where nothing was measured."""

    users: int
    connections: int
    """Fewest open connections during the step."""
    acked_per_s: float
    message_p95: int | None
    connect_p95: int | None
    """Of the users that the step added."""
    generator_cpu: float
    server_cpu: float | None
    server_rss_bytes: int | None
    result: CapacityStepResult
    reason: str = ""


class CapacityCurve(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Capacity of a server, in the order of its steps."""

    connections: int
    """Most connections that met the thresholds."""
    limit: CapacityLimit
    reason: str
    """Description of the limit."""
    steps: list[CapacityStep]
    fit: UslFit | None
    fit_note: str
    """Reason why there is no fit; else empty."""


def make_curve(steps: Sequence[CapacityStep], connections: int, limit: CapacityLimit) -> CapacityCurve:
    """Make the curve of the steps so far."""
    # The throughput of a step that the generator limited is not the server's.
    points = [
        (float(step.connections), step.acked_per_s) for step in steps if step.result is not CapacityStepResult.GENERATOR
    ]
    fit, fit_note = None, ""
    try:
        fit = fit_usl(points)
    except NoFit as problem:
        fit_note = str(problem)
    return CapacityCurve(
        connections=connections,
        limit=limit,
        reason=_describe(steps, limit),
        steps=list(steps),
        fit=fit,
        fit_note=fit_note,
    )


def _describe(steps: Sequence[CapacityStep], limit: CapacityLimit) -> str:
    by_result = {step.result: step.reason for step in steps}
    has_passed = CapacityStepResult.PASSED in by_result
    above = "with more, " if has_passed else ""
    bound = ", so this is a lower bound" if has_passed else ""
    match limit:
        case CapacityLimit.THRESHOLD:
            return f"{above}{by_result[CapacityStepResult.MISSED]}"
        case CapacityLimit.CONNECTIONS:
            return f"the server kept no more: {by_result[CapacityStepResult.REFUSED]}"
        case CapacityLimit.GENERATOR:
            reason = by_result[CapacityStepResult.GENERATOR]
            return f"{above}the generator was the limit ({reason}){bound}; try --processes"
        case CapacityLimit.USERS if has_passed:
            return "no step missed a threshold, so this is a lower bound; try more --users"
        case CapacityLimit.USERS:
            return "no step had enough samples; try more --users or a longer --duration"
        case CapacityLimit.STOPPED:
            return f"the run was stopped before the limit was found{bound}"
