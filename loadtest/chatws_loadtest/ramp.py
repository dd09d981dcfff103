"""The ramp: the highest rate that keeps the targets, found in steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatws_loadtest.ipc import Habits, SetRate
from chatws_loadtest.results import RampStep
from chatws_loadtest.thresholds import FAULTS, MetricKind, Threshold
from chatws_loadtest.verdict import Outcome, Verdict, judge

if TYPE_CHECKING:
    from chatws_loadtest.histogram import Histogram
    from chatws_loadtest.results import ScenarioResult
    from chatws_loadtest.scenario_run import ScenarioRun

STEP_S: Final = 8.0
HIGHEST_RATE: Final = 100.0
"""Messages per second of one user; far beyond what a person types."""

REFINEMENTS: Final = 2
"""Steps between the last rate that held and the first that did not."""

THIN: Final = "there were too few samples; try more --users or a longer --duration"
SETTLE_S: Final = 1.5
BACKLOG_TIMEOUT_S: Final = 30.0

JUDGED: Final = frozenset({"message", "ack", "typing"})
FEEDS: Final = frozenset({"connect", "message", "ack", "typing", "errors", "sent", *FAULTS})


async def ramp(arena: ScenarioRun, targets: Sequence[Threshold]) -> ScenarioResult:
    """Double the rate until a target breaks or the generator is the limit, then look in between.

    A step with too few samples says neither: the next one has more.
    """
    await arena.open(Habits(rate=arena.options.rate))
    await arena.talk(arena.options.warmup_s)
    connects = arena.recorder.latency("connect")
    wanted = [target for target in targets if target.metric in JUDGED and target.kind is MetricKind.LATENCY]
    holds, breaks, best, why = 0.0, 0.0, None, ""
    rate, refined_at = arena.options.rate, 0
    for _ in range(_steps_at_most(rate)):
        verdict = await _try(arena, rate, wanted)
        if verdict.outcome is Outcome.PASS:
            holds, best = rate, arena.recorder.latencies
        elif not _is_thin(verdict):
            breaks, why = rate, _reason(verdict)
            await _calm(arena)
            refined_at = refined_at or len(arena.steps) + REFINEMENTS
        if breaks and (not holds or len(arena.steps) >= refined_at):
            break
        rate = (holds + breaks) / 2 if breaks else rate * 2
        if rate > HIGHEST_RATE:
            break
    await _calm(arena)
    _restore(arena, best, connects)
    arena.findings.append(_knee(holds * arena.users, why))
    return await arena.conclude(targets, FEEDS)


async def _try(arena: ScenarioRun, rate: float, targets: Sequence[Threshold]) -> Verdict:
    total = rate * arena.users
    arena.phase = f"{total:,.0f} messages/s"
    arena.mark(f"{total:,.0f}/s")
    arena.crew.order(SetRate(rate))
    # The first second still holds slots of the old rate.
    await asyncio.sleep(1.0)
    await arena.measure(arena.options.duration_s or STEP_S)
    latencies = {metric: arena.recorder.latency(metric) for metric in JUDGED}
    verdict = judge(targets, latencies, {}, arena.health())
    p95 = arena.recorder.latency("message").percentile(95)
    arena.steps.append(RampStep(rate=round(total, 1), message_p95=p95, outcome=verdict.outcome))
    return verdict


async def _calm(arena: ScenarioRun) -> None:
    """Let the server work off what a step too many has left: it must not count against the next one."""
    arena.phase = "waiting for the backlog"
    arena.crew.order(SetRate(arena.options.rate))
    recorder = arena.recorder
    await asyncio.sleep(SETTLE_S)
    await arena.until(lambda: recorder.sent - recorder.acked <= arena.users, BACKLOG_TIMEOUT_S)


def _restore(arena: ScenarioRun, best: dict[str, Histogram] | None, connects: Histogram) -> None:
    """Judge the run by its best step; without one, by the last."""
    if best is not None:
        arena.recorder.latencies = dict(best)
    arena.recorder.latencies["connect"] = connects


def _steps_at_most(rate: float) -> int:
    steps = 1 + REFINEMENTS
    while rate <= HIGHEST_RATE:
        rate, steps = rate * 2, steps + 1
    return steps


def _is_thin(verdict: Verdict) -> bool:
    """Whether nothing spoke against a step but too few samples."""
    doubtful = [row for row in verdict.rows if row.outcome is not Outcome.PASS]
    return bool(doubtful) and all(row.value is None for row in doubtful)


def _reason(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.INVALID:
        return "beyond it the generator was the limit: this is a floor; try --processes"
    return f"beyond it {', '.join(row.target for row in verdict.missed)} broke"


def _knee(rate: float, why: str) -> str:
    if not rate:
        return f"no rate was seen to keep the targets; {why.removeprefix('beyond it ') or THIN}"
    return f"highest rate that kept the targets: {rate:,.0f} messages/s; {why or 'no step broke them'}"
