"""Comparison of chatws with the other servers: metrics, their ratios round by round, and the targets of the ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks.engine.implementations import ServerImplementation
from benchmarks.engine.results import EngineRun, IdleCost, LoadSample
from chatws_loadtest.samples import Spread, spread

PACED: Final = "pairs, paced: CPU us/message"
SATURATED: Final = "pairs, saturated: CPU us/message"
FANOUT: Final = "fan-out to 50: CPU us/delivery"
CONNECT: Final = "idle: CPU ms/connect"
MEMORY: Final = "idle: RSS kB/connection"
ACK_P99: Final = "pairs, paced: ack p99 ms"

TARGET_PER_S: Final = 2_000.0
"""Messages per second of the paced pairs."""

Metric = Callable[[EngineRun], float | None]


def _paced(value: Callable[[LoadSample], float]) -> Metric:
    return lambda run: None if run.paced is None else value(run.paced)


def _saturated(value: Callable[[LoadSample], float]) -> Metric:
    return lambda run: None if run.saturated is None else value(run.saturated)


def _fanout(value: Callable[[LoadSample], float]) -> Metric:
    return lambda run: None if run.fanout is None else value(run.fanout)


def _idle(value: Callable[[IdleCost], float]) -> Metric:
    return lambda run: None if run.idle is None else value(run.idle)


METRICS: Final[dict[str, Metric]] = {
    SATURATED: _saturated(lambda sample: sample.us_per_message),
    PACED: _paced(lambda sample: sample.us_per_message),
    FANOUT: _fanout(lambda sample: sample.us_per_delivery),
    CONNECT: _idle(lambda cost: cost.connect_ms),
    MEMORY: _idle(lambda cost: cost.rss_kb),
    ACK_P99: _paced(lambda sample: sample.ack.p99_ms),
    "pairs, paced: ack p50 ms": _paced(lambda sample: sample.ack.p50_ms),
    "pairs, paced: delivery p50 ms": _paced(lambda sample: sample.peer.p50_ms),
    "pairs, paced: delivery p99 ms": _paced(lambda sample: sample.peer.p99_ms),
    "pairs, saturated: ack p50 ms": _saturated(lambda sample: sample.ack.p50_ms),
    "pairs, saturated: ack p99 ms": _saturated(lambda sample: sample.ack.p99_ms),
    "pairs, saturated: deliveries/s": _saturated(lambda sample: sample.deliveries_per_s),
    "fan-out to 50: deliveries/s": _fanout(lambda sample: sample.deliveries_per_s),
}
"""Rows of the table of all servers, by title; None if the row was not measured."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that chatws is compared with in one table."""

    title: str
    baselines: tuple[ServerImplementation, ...]


COMPARISONS: Final = (
    Comparison(
        title="servers with the same promises",
        baselines=(ServerImplementation.NODE_TURN, ServerImplementation.NODE_MESSAGE),
    ),
    Comparison(
        title="servers in memory, without validation and limits",
        baselines=(ServerImplementation.NODE_MEMORY, ServerImplementation.STOCK),
    ),
    Comparison(
        title="other versions of chatws",
        baselines=(ServerImplementation.CHATWS_BASELINE, ServerImplementation.CHATWS_MEMORY),
    ),
)

COMPARED_METRICS: Final = (SATURATED, PACED, FANOUT, CONNECT, MEMORY, ACK_P99)

TARGETS: Final[dict[tuple[ServerImplementation, str], float]] = {
    (ServerImplementation.NODE_TURN, SATURATED): 0.9,
    (ServerImplementation.NODE_TURN, PACED): 0.9,
    (ServerImplementation.NODE_TURN, FANOUT): 0.8,
    (ServerImplementation.NODE_TURN, CONNECT): 0.7,
    (ServerImplementation.NODE_TURN, MEMORY): 0.5,
    (ServerImplementation.NODE_TURN, ACK_P99): 1.0,
    (ServerImplementation.NODE_MEMORY, SATURATED): 1.3,
    (ServerImplementation.NODE_MEMORY, PACED): 1.3,
}
"""Highest ratio of chatws's metric to that of another server."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """Ratio of one metric of chatws to that of another server in the same round, over all rounds.

    ``ours`` and ``theirs`` are the medians of the metric. A ratio without ``target`` is reported only.
    """

    baseline: ServerImplementation
    metric: str
    ours: float
    theirs: float
    spread: Spread
    target: float | None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "reached" if self.spread.median <= self.target else "missed"


def spreads(runs: Sequence[EngineRun]) -> dict[str, dict[ServerImplementation, Spread]]:
    """Return the lowest, median and highest value of each measured metric for each server."""
    return {name: by_server for name, value in METRICS.items() if (by_server := _spreads_of(runs, value))}


def ratios(runs: Sequence[EngineRun], paced_per_s: float = TARGET_PER_S) -> list[Ratio]:
    """Compare chatws with every measured server of `COMPARISONS`.

    A ratio is of two values of the same round, since other processes disturb both servers of a round alike. Those of
    the paced pairs have targets at `TARGET_PER_S` only.
    """
    baselines = [baseline for comparison in COMPARISONS for baseline in comparison.baselines]
    excluded = () if paced_per_s == TARGET_PER_S else (PACED, ACK_P99)
    targets = {key: target for key, target in TARGETS.items() if key[1] not in excluded}
    compared = (
        _ratio(runs, baseline, metric, targets.get((baseline, metric)))
        for metric in COMPARED_METRICS
        for baseline in baselines
    )
    return [ratio for ratio in compared if ratio is not None]


def _spreads_of(runs: Sequence[EngineRun], value: Metric) -> dict[ServerImplementation, Spread]:
    values: dict[ServerImplementation, list[float]] = {}
    for run in runs:
        if (measured := value(run)) is not None:
            values.setdefault(run.implementation, []).append(measured)
    return {implementation: spread(measured) for implementation, measured in values.items()}


def _ratio(
    runs: Sequence[EngineRun], baseline: ServerImplementation, metric: str, target: float | None
) -> Ratio | None:
    ours, theirs = (
        {run.round: value for run in runs if run.implementation is server and (value := METRICS[metric](run))}
        for server in (ServerImplementation.CHATWS, baseline)
    )
    rounds = ours.keys() & theirs.keys()
    if not rounds:
        return None
    return Ratio(
        baseline=baseline,
        metric=metric,
        ours=spread([ours[number] for number in rounds]).median,
        theirs=spread([theirs[number] for number in rounds]).median,
        spread=spread([ours[number] / theirs[number] for number in rounds]),
        target=target,
    )
