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


class TargetError(ValueError):
    """A target cannot be understood; the text says which and what would be."""


class Kind(Enum):
    """What a metric counts, and so which units and statistics it has."""

    LATENCY = auto()
    """Microseconds, with percentiles."""
    COUNT = auto()
    SHARE = auto()
    """Between 0 and 1, written with a percent sign."""


METRICS: Final[dict[str, tuple[Kind, str]]] = {
    "connect": (Kind.LATENCY, "from opening the transport to `authenticated`"),
    "transport": (Kind.LATENCY, "of that, to the Engine.IO handshake"),
    "namespace": (Kind.LATENCY, "of that, from CONNECT to its answer"),
    "authenticated": (Kind.LATENCY, "of that, from the answer to `authenticated`"),
    "joined": (Kind.LATENCY, "from `authenticated` to the ack of the first join"),
    "message": (Kind.LATENCY, "from the intended time of sending to the peer's receipt"),
    "ack": (Kind.LATENCY, "from the intended time of sending to the server's ack"),
    "typing": (Kind.LATENCY, "from the intended time of typing to the peer's indicator"),
    "reconnect": (Kind.LATENCY, "from the port opening, or the cut, to the ack of the join"),
    "backoff": (Kind.LATENCY, "of that, until the attempt that succeeded began: the client's own waiting"),
    "rejoin": (Kind.LATENCY, "of that, from there to the ack of the join"),
    "detect": (Kind.LATENCY, "from the kill or the cut to the client noticing it"),
    "catchup": (Kind.LATENCY, "from the ack of the join to the last missed message"),
    "connections": (Kind.COUNT, "fewest connections at one time while measured"),
    "lost": (Kind.COUNT, "messages acked that a member never received"),
    "duplicated": (Kind.COUNT, "messages a member received twice on one connection"),
    "reordered": (Kind.COUNT, "messages a member received after a later one"),
    "gaps": (Kind.COUNT, "messages left out of a live stream, and found in the history"),
    "deaf": (Kind.COUNT, "members who came back and then received nothing"),
    "unstored": (Kind.COUNT, "messages acked that are not in the server's history"),
    "unanswered": (Kind.COUNT, "messages neither acked nor refused"),
    "sent": (Kind.COUNT, "messages sent"),
    "errors": (Kind.SHARE, "requests and connections that failed"),
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
class Target:
    """One condition; ``limit`` is in microseconds for latencies and a share of 1 for shares."""

    metric: str
    statistic: str | None
    comparison: str
    limit: float
    text: str

    @property
    def kind(self) -> Kind:
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


def parse_target(text: str) -> Target:
    """Read one target.

    Raises:
        TargetError: its form, metric, statistic or unit is not known.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise TargetError(f"{text!r} is no target; write for example message.p95<100ms, lost==0 or errors<0.1%")
    metric, statistic, comparison, number, unit = match.groups()
    if metric not in METRICS:
        raise TargetError(f"{text!r}: there is no metric {metric!r}; there are {', '.join(METRICS)}")
    kind = METRICS[metric][0]
    if (kind is Kind.LATENCY) is not (statistic in STATISTICS):
        advice = f"one of {', '.join(STATISTICS)}" if kind is Kind.LATENCY else "none"
        raise TargetError(f"{text!r}: {metric} takes {advice} after the dot")
    clean = re.sub(r"\s+", "", text)
    return Target(metric, statistic, comparison, _scale(text, kind, number, unit), clean)


def read_targets(path: Path) -> list[Target]:
    """Read the ``[targets]`` table of a TOML file: ``metric = "p95 < 100ms"``, or a list of such.

    Raises:
        TargetError: the file cannot be read, is not TOML, or holds something else.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise TargetError(f"{path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise TargetError(f"{path} is no text in UTF-8") from problem
    except tomllib.TOMLDecodeError as problem:
        raise TargetError(f"{path}: {problem}") from problem
    conditions = tables.pop("targets", None)
    if tables or not isinstance(conditions, dict):
        raise TargetError(f"{path}: there must be one table, [targets]")
    found: list[Target] = []
    for metric, written in conditions.items():
        for condition in written if isinstance(written, list) else [written]:
            if not isinstance(condition, str):
                raise TargetError(f"{path}: {metric} must be text, or a list of texts")
            found.append(parse_target(_join(metric, condition)))
    return found


def combine(*layers: Iterable[Target]) -> list[Target]:
    """Put layers over each other: a target replaces those of the same name in earlier layers; in `METRICS`' order."""
    combined: dict[str, list[Target]] = {}
    for layer in layers:
        names: dict[str, list[Target]] = {}
        for target in layer:
            names.setdefault(target.name, []).append(target)
        combined.update(names)
    order = list(METRICS)
    found = [target for targets in combined.values() for target in targets]
    return sorted(found, key=lambda target: order.index(target.metric))


def default_targets(users: int = GUIDE_USERS) -> list[Target]:
    """Give the targets that hold where nothing else is said.

    The guide's 500 connections are a promise about load; a smaller load is held to its own size, in pairs.
    """
    own_size = [] if users >= GUIDE_USERS else [parse_target(f"connections>={users - users % 2}")]
    return combine(map(parse_target, DEFAULTS), own_size)


def fault_targets() -> list[Target]:
    """Give the targets of delivery without fault: they hold whatever else is said, unless it names them."""
    return [parse_target(f"{name}==0") for name in FAULTS]


def _join(metric: str, condition: str) -> str:
    condition = condition.strip()
    return f"{metric}{condition}" if condition[:1] in "<>=" else f"{metric}.{condition}"


def _scale(text: str, kind: Kind, number: str, unit: str | None) -> float:
    match kind:
        case Kind.LATENCY if unit in _UNITS_US:
            return float(number) * _UNITS_US[unit]
        case Kind.SHARE if unit == "%":
            return float(number) / 100
        case Kind.COUNT if unit is None:
            return float(number)
    wanted = {Kind.LATENCY: "us, ms or s", Kind.SHARE: "%", Kind.COUNT: "no unit"}[kind]
    raise TargetError(f"{text!r}: the number takes {wanted}")
