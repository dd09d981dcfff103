"""Verdict of a run: whether it met its thresholds, and whether its measurements are valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from chatws_loadtest.histogram import Histogram
from chatws_loadtest.thresholds import DELIVERY_METRICS, INDICATOR_METRICS, MetricKind, Threshold

NOTED_LAG_SHARE: Final = 0.25
"""Above this share of the lowest latency threshold, the generator's lag is noted although all thresholds are met."""
QUEUEING_LAG_US: Final = 100_000
"""Above this lag (p99), messages wait for each other in the generator, where each user has one in flight: any latency
may be its own.
"""
STARVED_LAG_US: Final = 1_000_000
"""Above this lag (p99), the generator may lose connections itself."""
INVALID_CPU: Final = 0.95
"""Mean cores of one load process during the measurement; above it, the process cannot send on schedule."""
SUSPECT_CPU: Final = 0.85
SUSPECT_CPU_SECONDS: Final = 0.05
"""Share of seconds in which a load process may use more than `SUSPECT_CPU`."""
LEAST_DELIVERED: Final = 0.98
"""Share of the scheduled messages that a valid run has sent."""

NO_DETAILS: Final[Mapping[str, str]] = MappingProxyType({})
STOPPED: Final = "the run was stopped before its end"
_CERTAIN: Final = frozenset((*DELIVERY_METRICS, *INDICATOR_METRICS))
"""Metrics whose values do not depend on the generator's speed."""


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
    send_lag_max_us: int = 0
    loop_lag_max_us: int = 0
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
    details: Mapping[str, str] = NO_DETAILS,
) -> Verdict:
    """Judge a run by the thresholds; every threshold's metric must be in ``latencies`` or ``numbers``.

    ``details`` explains the values of metrics; a latency without samples and with such an explanation is missed.

    A missed threshold is invalid only if the generator can explain it: a latency that its lag accounts for, or any
    value while it was short of CPU. Delivery does not depend on its speed: its metrics are invalid only if the run was
    stopped before every message could arrive. A run is invalid in any case if messages were not sent, a load process
    was lost, or the server limited the rate; its thresholds are judged nevertheless.
    """
    judged = list(thresholds)
    invalidating = _invalidating(health)
    rows = tuple(
        _judge_row(item, _measure(item, latencies, numbers), details.get(item.metric, ""), health, invalidating)
        for item in judged
    )
    reasons = [*invalidating]
    reasons += [
        f"{row.target}: {row.reason}"
        for row in rows
        if row.outcome is Outcome.INVALID and (row.value is None or not invalidating)
    ]
    outcome = Outcome.PASS
    if reasons:
        outcome = Outcome.INVALID
    if any(row.outcome is Outcome.FAIL for row in rows):
        outcome = Outcome.FAIL
    notes = [] if outcome is not Outcome.PASS else _notes(health, judged)
    return Verdict(outcome=outcome, rows=rows, invalid_because=tuple(reasons), notes=tuple(notes))


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of several runs: failed if one failed, else invalid if one is invalid."""
    found = set(outcomes)
    return next((outcome for outcome in (Outcome.FAIL, Outcome.INVALID) if outcome in found), Outcome.PASS)


def _measure(
    threshold: Threshold, latencies: Mapping[str, Histogram], numbers: Mapping[str, float]
) -> tuple[float | None, int]:
    """Return the value, None without enough samples, and the number of samples."""
    if threshold.kind is not MetricKind.LATENCY:
        return float(numbers[threshold.metric]), 1
    histogram = latencies[threshold.metric]
    samples = histogram.count
    return _statistic(histogram, threshold) if samples >= threshold.samples_needed else None, samples


def _judge_row(
    threshold: Threshold,
    measured: tuple[float | None, int],
    detail: str,
    health: GeneratorHealth,
    invalidating: Sequence[str],
) -> VerdictRow:
    value, samples = measured
    outcome, reason = Outcome.PASS, ""
    if value is None:
        if not samples and detail and STOPPED not in invalidating:
            outcome, reason = Outcome.FAIL, detail
        else:
            outcome, reason = Outcome.INVALID, f"{samples} samples, {threshold.samples_needed} needed"
    elif not threshold.is_met(value):
        missed = f"missed: {detail}" if detail else "missed"
        doubt = _doubt(threshold, value, health, invalidating)
        outcome, reason = (Outcome.INVALID, f"{missed}, but {doubt}") if doubt else (Outcome.FAIL, missed)
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


def _doubt(threshold: Threshold, value: float, health: GeneratorHealth, invalidating: Sequence[str]) -> str:
    """Return the reason why a missed threshold says nothing about the server; empty if it does."""
    if threshold.metric in _CERTAIN:
        return STOPPED if STOPPED in invalidating else ""
    if invalidating:
        return invalidating[0]
    busy = _busy_cpu(health)
    lag = _describe_lag(health)
    if threshold.kind is MetricKind.LATENCY:
        # The lag of the rarest cases is larger than the p99 that more common ones are corrected by.
        percent = 100.0 if threshold.statistic == "max" else threshold.percent or 0.0
        is_rare = percent > 99  # noqa: PLR2004  the lag's percentile
        send_us = health.send_lag_max_us if is_rare else 0
        loop_us = health.loop_lag_max_us if is_rare else 0
        lag_us = max(send_us, health.send_lag_p99_us) + max(loop_us, health.loop_lag_p99_us)
        is_explained = threshold.is_met(value - lag_us) or lag_us > QUEUEING_LAG_US
        return lag if is_explained else busy
    return busy or (lag if max(health.send_lag_p99_us, health.loop_lag_p99_us) > STARVED_LAG_US else "")


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
        reasons.append(f"only {health.sent} of {health.offered} scheduled messages were sent; {_describe_lag(health)}")
    return reasons


def _describe_lag(health: GeneratorHealth) -> str:
    send_ms, loop_ms = health.send_lag_p99_us / 1000, health.loop_lag_p99_us / 1000
    return f"the generator's send lag was {send_ms:.1f} ms (p99), its loop lag {loop_ms:.1f} ms"


def _busy_cpu(health: GeneratorHealth) -> str:
    """Describe the CPU use of a generator that may have been the limit; empty if it was not."""
    text = f"the generator used {health.cpu_cores:.2f} of a core"
    if health.cpu_cores > INVALID_CPU:
        return text
    if health.cpu_cores > SUSPECT_CPU or health.busy_seconds_share > SUSPECT_CPU_SECONDS:
        return f"{text}, over {SUSPECT_CPU} in {health.busy_seconds_share:.0%} of the seconds"
    return ""


def _notes(health: GeneratorHealth, thresholds: Sequence[Threshold]) -> list[str]:
    """Return the reasons why the generator may have been the limit of a run that met its thresholds anyway."""
    lowest_us = min((item.limit for item in thresholds if item.kind is MetricKind.LATENCY), default=float("inf"))
    lag_us = max(health.send_lag_p99_us, health.loop_lag_p99_us)
    reasons = [_describe_lag(health) if lag_us > NOTED_LAG_SHARE * lowest_us else "", _busy_cpu(health)]
    return [f"all thresholds met, although {reason}" for reason in reasons if reason]
