"""Steps of the scenario ``ramp``: search for the highest rate that meets the thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatws_loadtest.ipc import SetRate
from chatws_loadtest.results import RampStep
from chatws_loadtest.thresholds import MetricKind, Threshold
from chatws_loadtest.verdict import Outcome, Verdict, judge

if TYPE_CHECKING:
    from chatws_loadtest.histogram import Histogram
    from chatws_loadtest.scenario_run import ScenarioRun

STEP_S: Final = 8.0
HIGHEST_RATE: Final = 100.0
"""Messages per second of one user; far beyond what a person types."""

REFINEMENTS: Final = 2
"""Steps between the last rate that met the thresholds and the first that did not."""

TOO_FEW_SAMPLES: Final = "there were too few samples; try more --users or a longer --duration"
SETTLE_S: Final = 1.5
DRAIN_TIMEOUT_S: Final = 30.0

JUDGED: Final = frozenset({"message", "ack", "typing"})
CONNECT_METRICS: Final = ("connect", "transport", "namespace", "authenticated", "joined", "presence")
"""Metrics of the connections, which are opened before the first step."""


async def ramp(run: ScenarioRun) -> None:
    """Double the rate until a threshold is missed or the generator is the limit, then try rates in between.

    A step with too few samples decides nothing; the next one has more.
    """
    await run.start_sending(run.options.warmup_s)
    connects = {metric: run.stats.latency(metric) for metric in CONNECT_METRICS}
    judged = [item for item in run.thresholds if item.metric in JUDGED and item.kind is MetricKind.LATENCY]
    passed, missed, best, reason = 0.0, 0.0, None, ""
    rate, refined_at = run.options.rate, 0
    for _ in range(_max_steps(rate)):
        verdict = await _try(run, rate, judged)
        if verdict.outcome is Outcome.PASS:
            passed, best = rate, run.stats.latencies
        elif not _has_too_few_samples(verdict):
            missed, reason = rate, _describe_limit(verdict)
            await _drain(run)
            refined_at = refined_at or len(run.steps) + REFINEMENTS
        if missed and (not passed or len(run.steps) >= refined_at):
            break
        rate = (passed + missed) / 2 if missed else rate * 2
        if rate > HIGHEST_RATE:
            break
    await _drain(run)
    _restore(run, best, connects)
    run.findings.append(_describe_highest_rate(passed * run.timeline.users, reason))


async def _try(run: ScenarioRun, rate: float, thresholds: Sequence[Threshold]) -> Verdict:
    total = rate * run.timeline.users
    run.timeline.phase = f"{total:,.0f} messages/s"
    run.timeline.mark(f"{total:,.0f}/s")
    run.load.pool.send(SetRate(rate))
    # The first second still contains messages that were scheduled at the old rate.
    await asyncio.sleep(1.0)
    await run.measure(run.options.duration_s or STEP_S)
    latencies = {metric: run.stats.latency(metric) for metric in JUDGED}
    verdict = judge(thresholds, latencies, {}, run.health())
    p95 = run.stats.latency("message").percentile(95)
    run.steps.append(RampStep(rate=round(total, 1), message_p95=p95, outcome=verdict.outcome))
    return verdict


async def _drain(run: ScenarioRun) -> None:
    """Let the server work off the backlog of a step beyond its limit, so that the next step does not measure it."""
    run.timeline.phase = "waiting for the backlog"
    run.load.pool.send(SetRate(run.options.rate))
    stats, users = run.stats, run.timeline.users
    await asyncio.sleep(SETTLE_S)
    await run.timeline.wait_for(lambda: stats.sent - stats.acked <= users, DRAIN_TIMEOUT_S)


def _restore(run: ScenarioRun, best: dict[str, Histogram] | None, connects: dict[str, Histogram]) -> None:
    """Judge the run by its best step; without one, by the last."""
    if best is not None:
        run.stats.latencies = dict(best)
    run.stats.latencies |= connects


def _max_steps(rate: float) -> int:
    steps = 1 + REFINEMENTS
    while rate <= HIGHEST_RATE:
        rate, steps = rate * 2, steps + 1
    return steps


def _has_too_few_samples(verdict: Verdict) -> bool:
    """Return whether too few samples are the only reason why a step did not pass."""
    doubtful = [row for row in verdict.rows if row.outcome is not Outcome.PASS]
    return bool(doubtful) and all(row.value is None for row in doubtful)


def _describe_limit(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.INVALID:
        return "beyond it the generator was the limit: this is a lower bound; try --processes"
    return f"beyond it {', '.join(row.target for row in verdict.missed)} was missed"


def _describe_highest_rate(rate: float, reason: str) -> str:
    if not rate:
        return f"no rate met the thresholds; {reason.removeprefix('beyond it ') or TOO_FEW_SAMPLES}"
    return f"highest rate that met the thresholds: {rate:,.0f} messages/s; {reason or 'no step missed them'}"
