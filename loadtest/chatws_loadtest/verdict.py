"""Verdict of a run: whether it met its thresholds, and whether its measurements are valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.thresholds import DELIVERY_METRICS, MetricKind, Threshold

INVALID_LAG_SHARE: Final = 0.25
"""Above this share of the lowest latency threshold, the send lag (p99) makes a missed threshold invalid."""
SUSPECT_LAG_SHARE: Final = 0.10
INVALID_CPU: Final = 0.95
"""Mean cores of one load process during the measurement; above it, the process cannot send on schedule."""
SUSPECT_CPU: Final = 0.85
SUSPECT_CPU_SECONDS: Final = 0.05
"""Share of seconds in which a load process may use more than `SUSPECT_CPU`."""
LEAST_DELIVERED: Final = 0.98
"""Share of the scheduled messages that a valid run has sent."""

STOPPED: Final = "the run was stopped before its end"


class Outcome(StrEnum):
    """Outcome of a run or of one threshold."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"
    """No conclusion is possible: the generator was the limit, or there are too few samples."""


class GeneratorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Load of the generator itself during the measurement; CPU and lag are those of the worst load process."""

    offered: int
    sent: int
    send_lag_p99_us: int
    loop_lag_p99_us: int
    cpu_cores: float
    busy_seconds_share: float
    workers_lost: int = 0
    rate_limited: int = 0
    stopped: bool = False
    """The run was stopped before its end."""


class VerdictRow(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict on one threshold; ``value`` is in the metric's unit (µs, count, share), None without enough samples."""

    target: str
    metric: str
    statistic: str | None
    limit: float
    value: float | None
    samples: int
    outcome: Outcome
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict on one scenario run."""

    outcome: Outcome
    rows: tuple[VerdictRow, ...]
    invalid_because: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missed(self) -> tuple[VerdictRow, ...]:
        """Thresholds that were missed."""
        return tuple(row for row in self.rows if row.outcome is Outcome.FAIL)


def judge(
    thresholds: Iterable[Threshold],
    latencies: Mapping[str, Histogram],
    numbers: Mapping[str, float],
    health: GeneratorHealth,
) -> Verdict:
    """Judge a run by the thresholds; every threshold's metric must be in ``latencies`` or ``numbers``.

    A threshold missed while the generator was the limit is invalid. Delivery thresholds are not: a duplicate does not
    depend on the generator's speed. They are invalid only if the run was stopped before every message could arrive.
    Measured latency includes the generator's own delay, so a threshold that is met by a busy generator is met. A run
    is invalid in any case if messages were not sent, a load process was lost, or the server limited the rate.
    """
    judged = list(thresholds)
    invalidating = _invalidating(health)
    limits, suspicions = _generator_limits(health, judged)
    doubts = (*invalidating, *limits, *suspicions)
    rows = tuple(_judge_row(threshold, latencies, numbers, doubts) for threshold in judged)
    reasons = [*invalidating]
    if any(row.outcome is Outcome.INVALID for row in rows):
        reasons += [reason for reason in (*limits, *suspicions) if reason not in reasons]
        reasons += [f"{row.target}: {row.reason}" for row in rows if row.value is None]
    outcome = Outcome.PASS
    if reasons:
        outcome = Outcome.INVALID
    if any(row.outcome is Outcome.FAIL for row in rows):
        outcome = Outcome.FAIL
    notes = [] if reasons else [f"all thresholds met, although {reason}" for reason in (*limits, *suspicions)]
    return Verdict(outcome=outcome, rows=rows, invalid_because=tuple(reasons), notes=tuple(notes))


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of several runs: failed if one failed, else invalid if one is invalid."""
    found = set(outcomes)
    return next((outcome for outcome in (Outcome.FAIL, Outcome.INVALID) if outcome in found), Outcome.PASS)


def _judge_row(
    threshold: Threshold, latencies: Mapping[str, Histogram], numbers: Mapping[str, float], doubts: Sequence[str]
) -> VerdictRow:
    if threshold.kind is MetricKind.LATENCY:
        histogram = latencies[threshold.metric]
        samples = histogram.count
        value = _statistic(histogram, threshold) if samples >= threshold.samples_needed else None
    else:
        samples, value = 1, float(numbers[threshold.metric])
    outcome, reason = Outcome.PASS, ""
    if value is None:
        outcome, reason = Outcome.INVALID, f"{samples} samples, {threshold.samples_needed} needed"
    elif not threshold.is_met(value):
        is_certain = not doubts or (threshold.metric in DELIVERY_METRICS and STOPPED not in doubts)
        outcome = Outcome.FAIL if is_certain else Outcome.INVALID
        reason = "missed" if is_certain else f"missed, but {doubts[0]}"
    return VerdictRow(
        target=threshold.text,
        metric=threshold.metric,
        statistic=threshold.statistic,
        limit=threshold.limit,
        value=value,
        samples=samples,
        outcome=outcome,
        reason=reason,
    )


def _statistic(histogram: Histogram, threshold: Threshold) -> float:
    if threshold.percent is not None:
        return histogram.percentile(threshold.percent)
    return {"max": histogram.max_us, "mean": histogram.mean_us, "min": histogram.min_us}[threshold.statistic or ""]


def _invalidating(health: GeneratorHealth) -> list[str]:
    """Return the reasons that make a run invalid even if it met every threshold."""
    reasons = []
    if health.stopped:
        reasons.append(STOPPED)
    if health.workers_lost:
        reasons.append(f"{health.workers_lost} of the load processes ended early")
    if health.rate_limited:
        reasons.append(
            f"the server refused {health.rate_limited} requests as rate_limited, so the run measured its limits; lift"
            " them (chatws serve --limits off)"
        )
    if health.sent < LEAST_DELIVERED * health.offered:
        reasons.append(f"only {health.sent} of {health.offered} scheduled messages were sent")
    return reasons


def _generator_limits(health: GeneratorHealth, thresholds: Sequence[Threshold]) -> tuple[list[str], list[str]]:
    """Return the reasons why the generator was the limit, and the reasons why it may have been."""
    limits: list[str] = []
    suspicions: list[str] = []
    lowest_us = min((item.limit for item in thresholds if item.kind is MetricKind.LATENCY), default=None)
    if lowest_us is not None:
        for name, lag_us in (("send", health.send_lag_p99_us), ("loop", health.loop_lag_p99_us)):
            text = f"the generator's {name} lag was {lag_us / 1000:.1f} ms (p99)"
            if name == "send" and lag_us > INVALID_LAG_SHARE * lowest_us:
                limits.append(text)
            elif lag_us > SUSPECT_LAG_SHARE * lowest_us:
                suspicions.append(text)
    text = f"the generator used {health.cpu_cores:.2f} of a core"
    if health.cpu_cores > INVALID_CPU:
        limits.append(text)
    elif health.cpu_cores > SUSPECT_CPU or health.busy_seconds_share > SUSPECT_CPU_SECONDS:
        suspicions.append(f"{text}, over {SUSPECT_CPU} in {health.busy_seconds_share:.0%} of the seconds")
    return limits, suspicions
