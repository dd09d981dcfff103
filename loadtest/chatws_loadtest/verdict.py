"""The verdict: whether a run reached its targets, and whether it may say so at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.thresholds import FAULTS, MetricKind, Threshold

INVALID_LAG_SHARE: Final = 0.25
"""Send lag (p99) over this share of the tightest latency target: the generator measured itself."""
SUSPECT_LAG_SHARE: Final = 0.10
INVALID_CPU: Final = 0.95
"""Cores of one worker, over the measured time: nothing was left for being in time."""
SUSPECT_CPU: Final = 0.85
SUSPECT_CPU_SECONDS: Final = 0.05
"""Share of seconds in which a worker may be busier than `SUSPECT_CPU`."""
LEAST_DELIVERED: Final = 0.98
"""Share of the offered load that has to have been sent."""


STOPPED: Final = "the run was stopped before its end"


class Outcome(StrEnum):
    """What a run, or one target of it, came to."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"
    """It says nothing: the generator was the limit, or there are too few samples."""


class GeneratorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the generator itself did while measuring; the worst worker counts."""

    offered: int
    sent: int
    send_lag_p99_us: int
    loop_lag_p99_us: int
    cpu_cores: float
    busy_seconds_share: float
    workers_lost: int = 0
    rate_limited: int = 0
    stopped: bool = False
    """Somebody ended it before its time."""


class VerdictRow(msgspec.Struct, frozen=True, kw_only=True):
    """One target's verdict; ``value`` is in the target's unit (µs, count, share), None without enough samples."""

    target: str
    metric: str
    statistic: str | None
    limit: float
    value: float | None
    samples: int
    outcome: Outcome
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run's: its rows, and what there is to say about the generator."""

    outcome: Outcome
    rows: tuple[VerdictRow, ...]
    invalid_because: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missed(self) -> tuple[VerdictRow, ...]:
        """The targets that were not reached."""
        return tuple(row for row in self.rows if row.outcome is Outcome.FAIL)


def judge(
    targets: Iterable[Threshold],
    latencies: Mapping[str, Histogram],
    numbers: Mapping[str, float],
    health: GeneratorHealth,
) -> Verdict:
    """Judge a run by the targets; every target's metric must be in ``latencies`` or ``numbers``.

    A missed target while the generator was the limit is invalid, except for delivery faults: a message that came twice
    came twice, unless the run was stopped before everything could arrive. Measured latency is the server's and the
    generator's together, so a target that is met in spite of a busy generator is met. Load that was not sent, a lost
    worker and refusals for rate make a run invalid either way.
    """
    wanted = list(targets)
    broken = _broken(health)
    limits, suspicions = _limits(health, wanted)
    doubts = (*broken, *limits, *suspicions)
    rows = tuple(_judge_row(target, latencies, numbers, doubts) for target in wanted)
    reasons = [*broken]
    if any(row.outcome is Outcome.INVALID for row in rows):
        reasons += [reason for reason in (*limits, *suspicions) if reason not in reasons]
        reasons += [f"{row.target}: {row.reason}" for row in rows if row.value is None]
    outcome = Outcome.PASS
    if reasons:
        outcome = Outcome.INVALID
    if any(row.outcome is Outcome.FAIL for row in rows):
        outcome = Outcome.FAIL
    notes = [] if reasons else [f"all met, although {reason}" for reason in (*limits, *suspicions)]
    return Verdict(outcome=outcome, rows=rows, invalid_because=tuple(reasons), notes=tuple(notes))


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Give the outcome of several runs: one that failed fails all, one that is invalid leaves nothing passed."""
    found = set(outcomes)
    return next((outcome for outcome in (Outcome.FAIL, Outcome.INVALID) if outcome in found), Outcome.PASS)


def _judge_row(
    target: Threshold, latencies: Mapping[str, Histogram], numbers: Mapping[str, float], doubts: Sequence[str]
) -> VerdictRow:
    if target.kind is MetricKind.LATENCY:
        histogram = latencies[target.metric]
        samples = histogram.count
        value = _statistic(histogram, target) if samples >= target.samples_needed else None
    else:
        samples, value = 1, float(numbers[target.metric])
    outcome, reason = Outcome.PASS, ""
    if value is None:
        outcome, reason = Outcome.INVALID, f"{samples} samples, {target.samples_needed} needed"
    elif not target.is_met(value):
        is_certain = not doubts or (target.metric in FAULTS and STOPPED not in doubts)
        outcome = Outcome.FAIL if is_certain else Outcome.INVALID
        reason = "missed" if is_certain else f"missed, but {doubts[0]}"
    return VerdictRow(
        target=target.text,
        metric=target.metric,
        statistic=target.statistic,
        limit=target.limit,
        value=value,
        samples=samples,
        outcome=outcome,
        reason=reason,
    )


def _statistic(histogram: Histogram, target: Threshold) -> float:
    if target.percent is not None:
        return histogram.percentile(target.percent)
    return {"max": histogram.max_us, "mean": histogram.mean_us, "min": histogram.min_us}[target.statistic or ""]


def _broken(health: GeneratorHealth) -> list[str]:
    reasons = []
    if health.stopped:
        reasons.append(STOPPED)
    if health.workers_lost:
        reasons.append(f"{health.workers_lost} of the load's processes ended early")
    if health.rate_limited:
        reasons.append(
            f"the server refused {health.rate_limited} requests as rate_limited: its limits were measured; lift them"
            " (chatws serve --limits off)"
        )
    if health.sent < LEAST_DELIVERED * health.offered:
        reasons.append(f"only {health.sent} of {health.offered} messages due were sent")
    return reasons


def _limits(health: GeneratorHealth, targets: Sequence[Threshold]) -> tuple[list[str], list[str]]:
    """Give what makes the generator the limit, and what makes it suspect of being that."""
    limits: list[str] = []
    suspicions: list[str] = []
    tightest_us = min((target.limit for target in targets if target.kind is MetricKind.LATENCY), default=None)
    if tightest_us is not None:
        for name, lag_us in (("send", health.send_lag_p99_us), ("loop", health.loop_lag_p99_us)):
            text = f"the generator's {name} lag was {lag_us / 1000:.1f} ms (p99)"
            if name == "send" and lag_us > INVALID_LAG_SHARE * tightest_us:
                limits.append(text)
            elif lag_us > SUSPECT_LAG_SHARE * tightest_us:
                suspicions.append(text)
    text = f"the generator used {health.cpu_cores:.2f} of a core"
    if health.cpu_cores > INVALID_CPU:
        limits.append(text)
    elif health.cpu_cores > SUSPECT_CPU or health.busy_seconds_share > SUSPECT_CPU_SECONDS:
        suspicions.append(f"{text}, over {SUSPECT_CPU} in {health.busy_seconds_share:.0%} of the seconds")
    return limits, suspicions
