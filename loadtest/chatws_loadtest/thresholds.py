"""Targets: what a run has to reach, as ``message.p95<100ms`` on the command line or in a TOML file."""

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
    """A target cannot be understood; the text says which and what would be."""


class MetricKind(Enum):
    """What a metric counts, and so which units and statistics it has."""

    LATENCY = auto()
    """Microseconds, with percentiles."""
    COUNT = auto()
    SHARE = auto()
    """Between 0 and 1, written with a percent sign."""


METRICS: Final[dict[str, tuple[MetricKind, str]]] = {
    "connect": (MetricKind.LATENCY, "from opening the transport to `authenticated`"),
    "transport": (MetricKind.LATENCY, "of that, to the Engine.IO handshake"),
    "namespace": (MetricKind.LATENCY, "of that, from CONNECT to its answer"),
    "authenticated": (MetricKind.LATENCY, "of that, from the answer to `authenticated`"),
    "joined": (MetricKind.LATENCY, "from `authenticated` to the ack of the first join"),
    "message": (MetricKind.LATENCY, "from the intended time of sending to the peer's receipt"),
    "ack": (MetricKind.LATENCY, "from the intended time of sending to the server's ack"),
    "typing": (MetricKind.LATENCY, "from the intended time of typing to the peer's indicator"),
    "reconnect": (MetricKind.LATENCY, "from the port opening, or the cut, to the ack of the join"),
    "backoff": (MetricKind.LATENCY, "of that, until the attempt that succeeded began: the client's own waiting"),
    "rejoin": (MetricKind.LATENCY, "of that, from there to the ack of the join"),
    "detect": (MetricKind.LATENCY, "from the kill or the cut to the client noticing it"),
    "catchup": (MetricKind.LATENCY, "from the ack of the join to the last missed message"),
    "connections": (MetricKind.COUNT, "fewest connections at one time while measured"),
    "lost": (MetricKind.COUNT, "messages acked that a member never received"),
    "duplicated": (MetricKind.COUNT, "messages a member received twice on one connection"),
    "reordered": (MetricKind.COUNT, "messages a member received after a later one"),
    "gaps": (MetricKind.COUNT, "messages left out of a live stream, and found in the history"),
    "deaf": (MetricKind.COUNT, "members who came back and then received nothing"),
    "unstored": (MetricKind.COUNT, "messages acked that are not in the server's history"),
    "unanswered": (MetricKind.COUNT, "messages neither acked nor refused"),
    "sent": (MetricKind.COUNT, "messages sent"),
    "errors": (MetricKind.SHARE, "requests and connections that failed"),
}
"""Every metric that a target may name: its kind and what it is."""

FAULTS: Final = ("lost", "duplicated", "reordered", "gaps", "deaf", "unstored", "unanswered")
"""Delivery faults: facts about the server however busy the generator was."""

GUIDE_USERS: Final = 500

DEFAULTS: Final = (
    "connect.p95<500ms",
    "message.p95<100ms",
    "typing.p95<50ms",
    "reconnect.p95<2s",
    f"connections>={GUIDE_USERS}",
    *(f"{name}==0" for name in FAULTS),
    "errors<0.1%",
)
"""The guide's five figures and delivery without fault; the guide names no percentile, so p95 is taken."""

STATISTICS: Final = ("p50", "p90", "p95", "p99", "p99.9", "max", "mean", "min")
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_UNITS_US: Final = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000}
_FORM = re.compile(r"\s*([a-z]+)(?:\.([a-z0-9.]+?))?\s*(<=|>=|==|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|%)?\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition; ``limit`` is in microseconds for latencies and a share of 1 for shares."""

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
        """The metric with its statistic: what a later target of the same name replaces."""
        return self.metric if self.statistic is None else f"{self.metric}.{self.statistic}"

    @property
    def percent(self) -> float | None:
        """The percentile asked for; None for anything else."""
        return float(self.statistic[1:]) if self.statistic is not None and self.statistic[0] == "p" else None

    @property
    def samples_needed(self) -> int:
        """Fewest samples that say anything: ten beyond the percentile (p95: 200, p99: 1,000)."""
        return 1 if self.percent is None else round(10 / (1 - self.percent / 100))

    def is_met(self, value: float) -> bool:
        """Compare the unrounded value."""
        return _OPERATORS[self.comparison](value, self.limit)


def parse_threshold(text: str) -> Threshold:
    """Read one target.

    Raises:
        ThresholdError: its form, metric, statistic or unit is not known.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ThresholdError(f"{text!r} is no target; write for example message.p95<100ms, lost==0 or errors<0.1%")
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
    """Read the ``[targets]`` table of a TOML file: ``metric = "p95 < 100ms"``, or a list of such.

    Raises:
        ThresholdError: the file cannot be read, is not TOML, or holds something else.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ThresholdError(f"{path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ThresholdError(f"{path} is no text in UTF-8") from problem
    except tomllib.TOMLDecodeError as problem:
        raise ThresholdError(f"{path}: {problem}") from problem
    conditions = tables.pop("targets", None)
    if tables or not isinstance(conditions, dict):
        raise ThresholdError(f"{path}: there must be one table, [targets]")
    found: list[Threshold] = []
    for metric, written in conditions.items():
        for condition in written if isinstance(written, list) else [written]:
            if not isinstance(condition, str):
                raise ThresholdError(f"{path}: {metric} must be text, or a list of texts")
            found.append(parse_threshold(_join(metric, condition)))
    return found


def combine(*layers: Iterable[Threshold]) -> list[Threshold]:
    """Put layers over each other: a target replaces those of the same name in earlier layers; in `METRICS`' order."""
    combined: dict[str, list[Threshold]] = {}
    for layer in layers:
        names: dict[str, list[Threshold]] = {}
        for target in layer:
            names.setdefault(target.name, []).append(target)
        combined.update(names)
    order = list(METRICS)
    found = [target for targets in combined.values() for target in targets]
    return sorted(found, key=lambda target: order.index(target.metric))


def default_thresholds(users: int = GUIDE_USERS) -> list[Threshold]:
    """Give the targets that hold where nothing else is said.

    The guide's 500 connections are a promise about load; a smaller load is held to its own size, in pairs.
    """
    own_size = [] if users >= GUIDE_USERS else [parse_threshold(f"connections>={users - users % 2}")]
    return combine(map(parse_threshold, DEFAULTS), own_size)


def fault_thresholds() -> list[Threshold]:
    """Give the targets of delivery without fault: they hold whatever else is said, unless it names them."""
    return [parse_threshold(f"{name}==0") for name in FAULTS]


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
    wanted = {MetricKind.LATENCY: "us, ms or s", MetricKind.SHARE: "%", MetricKind.COUNT: "no unit"}[kind]
    raise ThresholdError(f"{text!r}: the number takes {wanted}")
