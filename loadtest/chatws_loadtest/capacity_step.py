"""Result and measurements of one step of the scenario ``capacity``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws_loadtest.capacity_curve import CapacityStep
from chatws_loadtest.capacity_search import CapacityStepResult
from chatws_loadtest.ramp import JUDGED
from chatws_loadtest.verdict import LEAST_DELIVERED, GeneratorHealth, Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.stats_collector import StatsCollector
    from chatws_loadtest.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class StepLoad:
    """Load of one step."""

    users: int
    connections: int
    """Users that were connected all the time."""
    rate: float
    """Messages per second of each user."""
    seconds: float


def judge_step(
    load: StepLoad, stats: StatsCollector, health: GeneratorHealth, thresholds: Sequence[Threshold]
) -> tuple[CapacityStepResult, str]:
    """Return the result of a step, and the reason if it did not pass.

    Only thresholds with enough samples are judged.
    """
    users, connections = load.users, load.connections
    scheduled, sent = users * load.rate * load.seconds, stats.latency("send_lag").count
    # Each user's first and last message may be just outside of the measurement, or not received yet.
    if connections == users and sent < LEAST_DELIVERED * scheduled - users:
        return CapacityStepResult.GENERATOR, f"only {sent} of {scheduled:.0f} scheduled messages were sent"
    enough = [item for item in thresholds if stats.latency(item.metric).count >= item.samples_needed]
    verdict = judge(enough, stats.latencies, {}, health)
    if verdict.outcome is Outcome.FAIL:
        return CapacityStepResult.MISSED, f"{', '.join(row.target for row in verdict.missed)} was missed"
    if verdict.outcome is Outcome.INVALID:
        return CapacityStepResult.GENERATOR, verdict.invalid_because[0]
    received = stats.latency("message").count
    if received < LEAST_DELIVERED * sent - users:
        return CapacityStepResult.MISSED, f"only {received} of {sent} messages were delivered"
    if connections < users:
        return CapacityStepResult.REFUSED, stats.connect_error or f"{users - connections} of {users} ended"
    # The first steps may have too few connects or typing indicators, but not too few of everything.
    sending = [item for item in thresholds if item.metric in JUDGED]
    if sending and not any(item in enough for item in sending):
        return CapacityStepResult.UNDECIDED, "too few samples"
    return CapacityStepResult.PASSED, ""


def describe_step(
    load: StepLoad, stats: StatsCollector, health: GeneratorHealth, result: CapacityStepResult, reason: str
) -> CapacityStep:
    """Describe the step that was just measured."""
    first, last = int(stats.measure_from_s - stats.start_s), int(stats.measure_until_s - stats.start_s)
    server = [second for second in stats.series() if first < second.at <= last and second.server_cpu is not None]
    message, connect = stats.latency("message"), stats.latency("connect")
    return CapacityStep(
        users=load.users,
        connections=load.connections,
        acked_per_s=round(stats.acked_per_s(), 1),
        message_p95=message.percentile(95) if message.count else None,
        connect_p95=connect.percentile(95) if connect.count else None,
        generator_cpu=round(health.cpu_cores, 3),
        server_cpu=_mean([second.server_cpu for second in server if second.server_cpu is not None]),
        server_rss_bytes=max((second.server_rss_bytes or 0 for second in server), default=None),
        result=result,
        reason=reason,
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
