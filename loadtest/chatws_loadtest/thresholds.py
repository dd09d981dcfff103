"""Thresholds: conditions such as ``message.p95<100ms``, given on the command line or in a TOML file."""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


class ThresholdError(ValueError):
    """Invalid threshold; the text quotes it and describes a valid one."""


class MetricKind(Enum):
    """Kind of a metric, which determines its units and statistics."""

    LATENCY = auto()
    """Durations in microseconds, with percentiles."""
    COUNT = auto()
    SHARE = auto()
    """Between 0 and 1, written with a percent sign."""


METRICS: Final[dict[str, tuple[MetricKind, str]]] = {
    "connect": (MetricKind.LATENCY, "from opening the transport to `authenticated`"),
    "transport": (MetricKind.LATENCY, "of that, to the Engine.IO handshake"),
    "namespace": (MetricKind.LATENCY, "of that, from CONNECT to its reply"),
    "authenticated": (MetricKind.LATENCY, "of that, from the reply to `authenticated`"),
    "upgrade": (MetricKind.LATENCY, "from the Engine.IO handshake over polling to the WebSocket in its place"),
    "joined": (MetricKind.LATENCY, "from `authenticated` to the ack of the first join"),
    "message": (MetricKind.LATENCY, "from the scheduled time of sending to receipt by the peer"),
    "ack": (MetricKind.LATENCY, "from the scheduled time of sending to the server's ack"),
    "typing": (MetricKind.LATENCY, "from the scheduled time of typing to the peer's indicator"),
    "presence": (MetricKind.LATENCY, "from `authenticated` to the `presence_update` that its peer receives"),
    "read": (MetricKind.LATENCY, "from marking messages as read to the peer's `message_read`"),
    "reconnect": (MetricKind.LATENCY, "from the port opening, or the cut, to the ack of the join"),
    "backoff": (MetricKind.LATENCY, "of that, the client's own waiting time before the successful attempt"),
    "rejoin": (MetricKind.LATENCY, "of that, from the start of the successful attempt to the ack of the join"),
    "detect": (MetricKind.LATENCY, "from the kill or the cut to its detection by the client"),
    "catchup": (MetricKind.LATENCY, "from the ack of the join to the last missed message"),
    "connections": (MetricKind.COUNT, "lowest number of open connections while measured"),
    "capacity": (MetricKind.COUNT, "most connections with which a step met the thresholds"),
    "lost": (MetricKind.COUNT, "acked messages that a member never received"),
    "duplicated": (MetricKind.COUNT, "messages that a member received twice on one connection"),
    "reordered": (MetricKind.COUNT, "messages that a member received after a later one"),
    "gaps": (MetricKind.COUNT, "messages missing from a live stream and found in the history"),
    "deaf": (MetricKind.COUNT, "members that received nothing after reconnecting"),
    "unstored": (MetricKind.COUNT, "acked messages missing from the server's history"),
    "unanswered": (MetricKind.COUNT, "messages neither acked nor refused within 10 s on an open connection"),
    "leaked": (MetricKind.COUNT, "messages received by a client that is not in their conversation"),
    "altered": (MetricKind.COUNT, "messages received with another content, conversation, sender or role than sent"),
    "misdated": (MetricKind.COUNT, "timestamps that are unreadable, over an hour off, or going backwards"),
    "malformed": (MetricKind.COUNT, "acks and events of another form than the contract's, and second acks"),
    "typing_lost": (MetricKind.SHARE, "starts of typing that a peer never saw"),
    "typing_stuck": (MetricKind.COUNT, "typing indicators that neither a stop nor the timeout ended"),
    "typing_wrong": (MetricKind.COUNT, "typing indicators of another user, or of one that did not type"),
    "presence_lost": (MetricKind.SHARE, "users that came online, and whose peer never saw it"),
    "presence_stuck": (MetricKind.COUNT, "users shown as online after they had disconnected"),
    "presence_wrong": (MetricKind.COUNT, "presence of a user outside the conversation, or that does not match"),
    "read_lost": (MetricKind.SHARE, "read marks that a peer never saw"),
    "read_stuck": (MetricKind.COUNT, "users whose read mark stayed behind for a peer until the end"),
    "read_wrong": (MetricKind.COUNT, "read marks of another user, never set, or going backwards"),
    "sent": (MetricKind.COUNT, "messages sent"),
    "errors": (MetricKind.SHARE, "requests and connections that failed"),
}
"""Every metric that a threshold may name, with its kind and a description."""

DELIVERY_METRICS: Final = (
    *("lost", "duplicated", "reordered", "gaps", "deaf", "unstored", "unanswered"),
    *("leaked", "altered", "misdated", "malformed"),
)
"""Metrics of delivery; their values do not depend on the load of the generator."""

INDICATORS: Final = ("typing", "presence", "read")
"""States of users that servers announce to their peers."""

INDICATOR_METRICS: Final = tuple(f"{name}_{fault}" for name in INDICATORS for fault in ("lost", "stuck", "wrong"))
"""Metrics of indicators, which do not depend on the load of the generator either."""

_CORRECTNESS: Final = (
    *(f"{name}==0" for name in DELIVERY_METRICS),
    *(f"{name}<1%" if name.endswith("_lost") else f"{name}==0" for name in INDICATOR_METRICS),
)

GUIDE_USERS: Final = 500
"""Number of connections that the guide requires."""

DEFAULTS: Final = (
    "connect.p95<500ms",
    "joined.p95<500ms",
    "message.p95<100ms",
    "ack.p95<100ms",
    "typing.p95<50ms",
    "reconnect.p95<2s",
    f"connections>={GUIDE_USERS}",
    *_CORRECTNESS,
    "errors<0.1%",
)
"""The guide's five requirements, the same for joins and acks, and correct delivery; the guide names no percentile, so
p95 is used.
"""

STATISTICS: Final = ("p50", "p90", "p95", "p99", "p99.9", "max", "mean", "min")
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_UNITS_US: Final = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000}
_FORM = re.compile(
    r"\s*([a-z]+(?:_[a-z]+)?)(?:\.([a-z0-9.]+?))?\s*(<=|>=|==|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|%)?\s*"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Condition on one metric; ``limit`` is in microseconds for latencies, and between 0 and 1 for shares."""

    metric: str
    statistic: str | None
    comparison: str
    limit: float
    text: str

    @property
    def kind(self) -> MetricKind:
        return METRICS[self.metric][0]

    @property
    def name(self) -> str:
        """Metric with its statistic; a threshold replaces earlier ones of the same name."""
        return self.metric if self.statistic is None else f"{self.metric}.{self.statistic}"

    @property
    def percent(self) -> float | None:
        """Percentile from 0 to 100; None for other statistics."""
        return float(self.statistic[1:]) if self.statistic is not None and self.statistic[0] == "p" else None

    @property
    def samples_needed(self) -> int:
        """Number of samples that a verdict needs: ten above the percentile (p95: 200, p99: 1,000)."""
        return 1 if self.percent is None else round(10 / (1 - self.percent / 100))

    def is_met(self, value: float) -> bool:
        """Compare an unrounded value with the limit."""
        return _OPERATORS[self.comparison](value, self.limit)


def parse_threshold(text: str) -> Threshold:
    """Parse one threshold.

    Raises:
        ThresholdError: its form, metric, statistic or unit is unknown.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ThresholdError(f"{text!r} is not a threshold; use for example message.p95<100ms, lost==0 or errors<0.1%")
    metric, statistic, comparison, number, unit = match.groups()
    if metric not in METRICS:
        raise ThresholdError(f"{text!r}: there is no metric {metric!r}; there are {', '.join(METRICS)}")
    kind = METRICS[metric][0]
    if (kind is MetricKind.LATENCY) is not (statistic in STATISTICS):
        advice = f"one of {', '.join(STATISTICS)}" if kind is MetricKind.LATENCY else "none"
        raise ThresholdError(f"{text!r}: {metric} takes {advice} after the dot")
    clean = re.sub(r"\s+", "", text)
    return Threshold(metric, statistic, comparison, _scale(text, kind, number, unit), clean)


def read_thresholds(path: Path) -> list[Threshold]:
    """Read the ``[targets]`` table of a TOML file: ``metric = "p95 < 100ms"``, or a list of such conditions.

    Raises:
        ThresholdError: the file cannot be read, is not TOML, or holds something else.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ThresholdError(f"{path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ThresholdError(f"{path} is not UTF-8 text") from problem
    except tomllib.TOMLDecodeError as problem:
        raise ThresholdError(f"{path}: {problem}") from problem
    except RecursionError as problem:
        raise ThresholdError(f"{path}: nested too deeply") from problem
    conditions = tables.pop("targets", None)
    if tables or not isinstance(conditions, dict):
        raise ThresholdError(f"{path}: there must be one table, [targets]")
    found: list[Threshold] = []
    for metric, written in conditions.items():
        for condition in written if isinstance(written, list) else [written]:
            if not isinstance(condition, str):
                raise ThresholdError(f"{path}: {metric} must be a string, or a list of strings")
            found.append(parse_threshold(_join(metric, condition)))
    return found


def combine(*layers: Iterable[Threshold]) -> list[Threshold]:
    """Merge layers: a threshold replaces those of the same name in earlier layers. The result is in `METRICS` order."""
    combined: dict[str, list[Threshold]] = {}
    for layer in layers:
        names: dict[str, list[Threshold]] = {}
        for threshold in layer:
            names.setdefault(threshold.name, []).append(threshold)
        combined.update(names)
    order = list(METRICS)
    found = [threshold for thresholds in combined.values() for threshold in thresholds]
    return sorted(found, key=lambda threshold: order.index(threshold.metric))


def default_thresholds(users: int = GUIDE_USERS) -> list[Threshold]:
    """Return the default thresholds.

    The guide requires 500 connections; a run with fewer users requires as many as there are in pairs.
    """
    by_users = [] if users >= GUIDE_USERS else [parse_threshold(f"connections>={users - users % 2}")]
    return combine(map(parse_threshold, DEFAULTS), by_users)


def delivery_thresholds() -> list[Threshold]:
    """Return the thresholds of correct delivery, which apply unless another threshold names the same metric."""
    return [parse_threshold(text) for text in _CORRECTNESS]


def _join(metric: str, condition: str) -> str:
    condition = condition.strip()
    return f"{metric}{condition}" if condition[:1] in "<>=" else f"{metric}.{condition}"


def _scale(text: str, kind: MetricKind, number: str, unit: str | None) -> float:
    match kind:
        case MetricKind.LATENCY if unit in _UNITS_US:
            return float(number) * _UNITS_US[unit]
        case MetricKind.SHARE if unit == "%":
            return float(number) / 100
        case MetricKind.COUNT if unit is None:
            return float(number)
    allowed = {MetricKind.LATENCY: "us, ms or s", MetricKind.SHARE: "%", MetricKind.COUNT: "no unit"}[kind]
    raise ThresholdError(f"{text!r}: the number takes {allowed}")
