"""Conclusion of a scenario run: drains the load, reconciles the ledgers with the history, and judges the thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from chatws.client.gevent.transport_choice import SINGLE, TransportChoice
from chatws_loadtest.deviations import DeviationLog, describe_deviations, merge_deviations
from chatws_loadtest.history_check import NotReadable
from chatws_loadtest.indicators import IndicatorCounts, add_indicators
from chatws_loadtest.ipc import WorkerDone
from chatws_loadtest.ledger import Balance
from chatws_loadtest.mapping_limits import unmapped_metrics
from chatws_loadtest.resource_usage import ServerUsage
from chatws_loadtest.results import Latency, ScenarioResult
from chatws_loadtest.scenario_run import ScenarioRun
from chatws_loadtest.scenarios import Scenario
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.thresholds import DELIVERY_METRICS, METRICS, Threshold, parse_threshold
from chatws_loadtest.timeline import now_s
from chatws_loadtest.verdict import judge
from chatws_loadtest.worker_pool import describe_refusals

FINISHING: Final = "finishing"
EARLY_DRAIN_S: Final = 2.0
STARVED_SHARE: Final = 0.1
"""Share of the measured time without a core above which the report notes that other processes slowed the server."""

BY_TRANSPORT: Final = ("connect", "upgrade", "message", "ack")
"""Latencies that are also reported by transport."""

GUIDE_UNCHECKED: Final = {
    "gaps": "messages have no seq, so that a gap in a stream cannot be detected",
    "unstored": "there is no history to compare acks with",
    **dict.fromkeys(("read", "read_lost", "read_stuck", "read_wrong"), "there are no read marks"),
}
"""Metrics that cannot be measured on a server without additions to the guide, with the reason."""


@dataclass(frozen=True, slots=True)
class _Counts:
    balance: Balance
    failures: dict[str, int]
    numbers: dict[str, float]
    """Values of the metrics that are not latencies."""


async def conclude(run: ScenarioRun, scenario: Scenario, *, early: bool) -> ScenarioResult:
    """Stop the load, count what was delivered, and judge the thresholds whose metrics the scenario measures.

    ``early``: the run was stopped, or a load process was lost; the result is partial, its verdict invalid.
    """
    options, stats, pool = run.options, run.stats, run.load.pool
    run.timeline.enter(FINISHING)
    stats.measure_until_s = min(now_s(), stats.measure_until_s)
    done = await pool.finish(min(EARLY_DRAIN_S, options.drain_s) if early else options.drain_s)
    unchecked = _find_unchecked(run, early=early)
    indicators = add_indicators(report.indicators for report in done)
    deviations = merge_deviations(item for report in done for item in report.deviations)
    counts = await _count(run, done, unchecked)
    if "capacity" in scenario.metrics:
        counts.numbers["capacity"] = float(0 if run.curve is None else run.curve.connections)
    counts.numbers.update(_indicator_numbers(indicators, deviations))
    for kind, sent in indicators.items():
        if not sent.sent:
            unchecked.update(dict.fromkeys((kind, f"{kind}_lost"), f"no {kind} could be observed") | unchecked)
    unchecked = {name: reason for name, reason in unchecked.items() if name in scenario.metrics}
    judged = _choose_thresholds(run, scenario.metrics - unchecked.keys())
    details = _explain(indicators, deviations) | _describe_stages(run)
    if pool.refusals and "capacity" not in scenario.metrics:
        judged = _judge_connections(run, judged)
        details["connections"] = _describe_connections(run)
        if "connections" not in scenario.metrics or not pool.complete_rooms:
            counts.numbers["connections"] = float(pool.connected)
    measured = sorted({*scenario.metrics, *(name for name in stats.latencies if "@" not in name)}, key=_rank)
    histograms = {name: stats.latency(name) for name in measured if name not in counts.numbers | unchecked}
    health = stats.health(done, pool.lost, stopped=early)
    usage = run.monitor.usage
    return ScenarioResult(
        scenario=scenario.name,
        users=run.timeline.users + pool.refusals.total(),
        processes=options.processes,
        duration_s=round(max(0.0, stats.measure_until_s - stats.measure_from_s), 3),
        rate=options.rate,
        profile="" if options.profile is None else options.profile.name,
        transport=options.transport,
        mapping=options.mapping_name,
        verdict=judge(judged, histograms, counts.numbers, health, details),
        latencies={name: Latency.of(histogram) for name, histogram in histograms.items()},
        by_transport=_by_transport(options.transport, stats),
        numbers={name: value for name, value in counts.numbers.items() if name not in unchecked},
        balance=counts.balance,
        indicators=indicators,
        failures=counts.failures,
        health=health,
        generator_us_per_message=_per_message(stats, stats.generator_cpu_s()),
        generator_rss_bytes=stats.rss_bytes,
        server_us_per_message=None if usage is None else _per_message(stats, usage.cpu_s_while_measured),
        server_rss_bytes=None if usage is None else usage.rss_bytes,
        series=stats.series(),
        marks=run.timeline.marks,
        unchecked=_group_by_reason(unchecked),
        findings=[*run.findings, *await _closing_findings(run, done, usage)],
        steps=run.steps,
        stages=run.stages,
        curve=run.curve,
        partial=early,
    )


def _find_unchecked(run: ScenarioRun, *, early: bool) -> dict[str, str]:
    """Return the metrics that cannot be measured on this server, or in a run that ended early, with the reasons."""
    unchecked = {**(GUIDE_UNCHECKED if run.load.pool.guide_only else {}), **unmapped_metrics(run.options.mapping)}
    if early:
        unchecked.setdefault("unstored", "the run was stopped before its end")
    return unchecked


def _choose_thresholds(run: ScenarioRun, metrics: Collection[str]) -> list[Threshold]:
    """Return the thresholds of these metrics, without those that the scenario has left undecided."""
    return [item for item in run.thresholds if item.metric in metrics and item.text not in run.undecided]


async def _count(run: ScenarioRun, done: Sequence[WorkerDone], unchecked: dict[str, str]) -> _Counts:
    """Add up what the load processes report; adds to ``unchecked`` if the history cannot be read."""
    balance = sum((report.balance for report in done), Balance())
    failures = dict(sum((Counter(report.failures) for report in done), Counter[str]()))
    unstored = 0
    if "unstored" not in unchecked:
        try:
            unstored = await run.load.count_unstored()
        except NotReadable as problem:
            unchecked["unstored"] = str(problem)
    fields = msgspec.to_builtins(balance)
    failed = sum(failures.values()) + balance.unanswered
    numbers = {
        **{name: float(fields[name]) for name in DELIVERY_METRICS if name != "unstored"},
        "unstored": float(unstored),
        "connections": float(_count_connections(run)),
        "sent": float(balance.sent),
        "errors": failed / max(1, run.stats.requests),
    }
    return _Counts(balance, failures, numbers)


def _count_connections(run: ScenarioRun) -> int:
    """Return the fewest connections while measured; of a run in stages, the largest stage without missing users."""
    if not run.stages:
        return run.stats.fewest_connections
    missing = max(stage.users - stage.connections for stage in run.stages)
    return max(stage.users for stage in run.stages) - missing


def _indicator_numbers(indicators: Mapping[str, IndicatorCounts], deviations: DeviationLog) -> dict[str, float]:
    """Return the values of the metrics of indicators."""
    numbers: dict[str, float] = {}
    for kind, counts in indicators.items():
        numbers[f"{kind}_lost"] = counts.lost_share
        numbers |= {name: float(deviations.count(name)) for name in (f"{kind}_stuck", f"{kind}_wrong")}
    return numbers


def _explain(indicators: Mapping[str, IndicatorCounts], deviations: DeviationLog) -> dict[str, str]:
    """Explain the values of metrics by what the load processes have seen."""
    details = describe_deviations(deviations)
    for kind, counts in indicators.items():
        details[f"{kind}_lost"] = counts.describe()
        if counts.sent and counts.lost == counts.sent:
            details[kind] = counts.describe()
    return details


def _judge_connections(run: ScenarioRun, judged: list[Threshold]) -> list[Threshold]:
    """Return the thresholds with one of connections, which every scenario is judged by if users were refused."""
    if any(item.metric == "connections" for item in judged):
        return judged
    users = run.timeline.users + run.load.pool.refusals.total()
    given = [item for item in run.thresholds if item.metric == "connections"]
    return [*judged, *(given or [parse_threshold(f"connections>={users}")])]


def _describe_connections(run: ScenarioRun) -> str:
    pool = run.load.pool
    users = pool.connected + pool.refusals.total()
    return f"{pool.connected} of {users} users could join; {describe_refusals(pool.refusals)}"


def _describe_stages(run: ScenarioRun) -> dict[str, str]:
    """Explain a number of connections by the stages that did not have all of their users."""
    short = [
        f"stage {number}: {stage.connections} of {stage.users} users were connected at its end"
        for number, stage in enumerate(run.stages, 1)
        if stage.connections < stage.users
    ]
    reason = [run.stats.connect_error] if run.stats.connect_error else []
    return {"connections": "; ".join([*short, *reason])} if short else {}


def _group_by_reason(unchecked: Mapping[str, str]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, reason in unchecked.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(group)}: {reason}" for reason, group in names.items()]


async def _closing_findings(run: ScenarioRun, done: Sequence[WorkerDone], usage: ServerUsage | None) -> list[str]:
    findings = [f"not judged, for lack of samples: {text}" for text in sorted(run.undecided)]
    if disconnected := sum(report.disconnected for report in done):
        findings.append(f"{disconnected} users were not connected at the end")
    if reason := next((report.upgrade_error for report in done if report.upgrade_error), ""):
        findings.append(f"after a failed upgrade, users went on polling: {reason}")
    if unprompted := sum(report.unprompted for report in done):
        findings.append(f"{unprompted} messages were sent although those that they answer had not arrived in time")
    if usage is not None and usage.starved_share > STARVED_SHARE:
        findings.append(f"other processes kept the server off its core for {usage.starved_share:.0%} of the time")
    if run.load.pool.lost:
        # The processes have written their last line to standard error only once they have ended.
        await run.load.pool.stop()
        findings += run.load.pool.stderr_lines
    return findings


def _by_transport(transport: TransportChoice, stats: StatsCollector) -> dict[str, dict[str, Latency]]:
    """Return the latencies of each transport of the users, without metrics that have no sample."""
    found: dict[str, dict[str, Latency]] = {}
    for single in SINGLE if transport is TransportChoice.MIX else [transport]:
        names = {
            metric: f"{metric}@{single}" if transport is TransportChoice.MIX else metric for metric in BY_TRANSPORT
        }
        histograms = {metric: stats.latency(name) for metric, name in names.items()}
        found[single] = {metric: Latency.of(histogram) for metric, histogram in histograms.items() if histogram.count}
    return found


def _per_message(stats: StatsCollector, cpu_s: float) -> float:
    return round(cpu_s / max(1, stats.acked_while_measured()) * 1e6, 1)


def _rank(metric: str) -> tuple[bool, int, str]:
    """Sort metrics in the order of `METRICS`, then the others by name."""
    known = list(METRICS)
    return metric not in known, known.index(metric) if metric in known else 0, metric
