"""Text of a capacity: the number of connections, the limit, a table of the steps, and the fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chatws_loadtest.capacity_curve import CapacityCurve, CapacityStep
from chatws_loadtest.capacity_search import CapacityStepResult
from chatws_loadtest.text_plot import draw_bars
from chatws_loadtest.text_table import align

HEADER: Final = ("users", "connections", "acked/s", "", "message p95", "connect p95", "server", "generator", "result")


def describe_capacity(curve: CapacityCurve) -> Iterator[str]:
    """Describe a capacity, with its steps in the order of their connections."""
    yield f"{headline_of(curve)}; {curve.reason}"
    steps = sorted(curve.steps, key=lambda step: step.users)
    bars = draw_bars([step.acked_per_s for step in steps])
    yield from align([HEADER, *(_row(step, bar) for step, bar in zip(steps, bars, strict=True))])
    yield from describe_fit(curve)


def headline_of(curve: CapacityCurve) -> str:
    """Return the number of connections in words."""
    return f"capacity: {curve.connections:,} connections" if curve.connections else "capacity: no step passed"


def describe_fit(curve: CapacityCurve) -> list[str]:
    """Describe the fit of the Universal Scalability Law, one line for each conclusion."""
    fit = curve.fit
    if fit is None:
        return [f"scalability: {curve.fit_note}"]
    rate = fit.rate
    single = f"{rate.value:.3g} messages/s of a single user ({rate.low:.3g} to {rate.high:.3g})"
    steps = sum(step.result is not CapacityStepResult.GENERATOR for step in curve.steps)
    lines = [f"scalability over {steps} steps (95 % confidence): {single}, R² {fit.r_squared:.3f}"]
    for name, estimate in (("contention", fit.contention), ("coherency", fit.coherency)):
        interval = f"{estimate.value:.2g} ({estimate.low:.2g} to {estimate.high:.2g})"
        lines.append(f"  {name} {interval}{'' if estimate.is_significant else ', not significant'}")
    if fit.peak is not None:
        peak = (
            f"  highest throughput at {fit.peak.value:,.0f} connections ({fit.peak.low:,.0f} to {fit.peak.high:,.0f})"
        )
        most = max(step.connections for step in curve.steps)
        lines.append(f"{peak}, beyond the measured ones" if fit.peak.value > most else peak)
    elif not fit.contention.is_significant and not fit.coherency.is_significant:
        lines.append("  no deviation from a straight line is significant")
    return lines


def step_cells(step: CapacityStep) -> tuple[str, ...]:
    """Return the cells of a step in a table with the columns of `HEADER`, without the bar."""
    memory = "" if step.server_rss_bytes is None else f", {step.server_rss_bytes / 1e6:.0f} MB"
    return (
        f"{step.users:,}",
        f"{step.connections:,}",
        f"{step.acked_per_s:,.1f}",
        _ms(step.message_p95),
        _ms(step.connect_p95),
        "-" if step.server_cpu is None else f"{step.server_cpu:.2f} cores{memory}",
        f"{step.generator_cpu:.2f} cores",
        f"{step.result} ({step.reason})" if step.reason else str(step.result),
    )


def _row(step: CapacityStep, bar: str) -> tuple[str, ...]:
    users, connections, rate, *rest = step_cells(step)
    return users, connections, rate, bar, *rest


def _ms(us: int | None) -> str:
    return "-" if us is None else f"{us / 1000:.1f} ms"
