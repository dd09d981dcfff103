"""Schedule of random faults: a pure function of the seed and the duration."""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

SERVERS: Final = 2


class Part(StrEnum):
    """Process, or network link between two of them."""

    SERVER_1 = "server 1"
    SERVER_2 = "server 2"
    POSTGRES = "PostgreSQL"
    REDIS = "Redis"
    NGINX = "nginx"
    CLIENTS_TO_NGINX = "clients-nginx"
    NGINX_TO_SERVER_1 = "nginx-server 1"
    NGINX_TO_SERVER_2 = "nginx-server 2"
    SERVER_1_TO_POSTGRES = "server 1-PostgreSQL"
    SERVER_2_TO_POSTGRES = "server 2-PostgreSQL"
    SERVER_1_TO_REDIS = "server 1-Redis"
    SERVER_2_TO_REDIS = "server 2-Redis"


class FaultKind(StrEnum):
    """Fault of a part; it ends after the scheduled duration."""

    KILL = "kill"
    """SIGKILL (PostgreSQL: immediate shutdown); started again at the end."""
    STOP = "stop"
    """SIGSTOP until the end."""
    DRAIN = "drain"
    """SIGTERM; started again at the end."""
    SLOW_DISK = "slow disk"
    """Each commit takes up to a given time longer."""
    EMPTY = "empty"
    """All keys are deleted."""
    RELOAD = "reload"
    """The configuration is read again by new worker processes."""
    CUT = "cut"
    """Connections are aborted, and new ones, too."""
    HOLD_REQUESTS = "hold requests"
    """Bytes towards the server arrive at the end only."""
    HOLD_RESPONSES = "hold responses"
    """Bytes from the server arrive at the end only."""
    HOLD = "hold both"
    DELAY = "delay"
    """Bytes arrive later, in both directions."""


class ScheduledFault(NamedTuple):
    """Fault with its time in seconds from the start of the round."""

    start_s: float
    duration_s: float
    part: Part
    kind: FaultKind
    severity: float
    """From 0 to 1: share of the longest delay."""

    @property
    def end_s(self) -> float:
        """Time of its end."""
        return self.start_s + self.duration_s

    def __str__(self) -> str:
        strength = f" ({self.severity:.2f})" if self.kind in {FaultKind.DELAY, FaultKind.SLOW_DISK} else ""
        return f"{self.start_s:5.2f} s to {self.end_s:5.2f} s: {self.part}: {self.kind}{strength}"


_LINK_FAULTS: Final = (
    FaultKind.CUT,
    FaultKind.HOLD_REQUESTS,
    FaultKind.HOLD_RESPONSES,
    FaultKind.HOLD,
    FaultKind.DELAY,
)
_SERVER_FAULTS: Final = (FaultKind.KILL, FaultKind.STOP, FaultKind.DRAIN)
FAULTS_OF: Final[Mapping[Part, tuple[FaultKind, ...]]] = {
    **dict.fromkeys(Part, _LINK_FAULTS),
    Part.SERVER_1: _SERVER_FAULTS,
    Part.SERVER_2: _SERVER_FAULTS,
    Part.POSTGRES: (FaultKind.KILL, FaultKind.STOP, FaultKind.SLOW_DISK),
    Part.REDIS: (FaultKind.KILL, FaultKind.STOP, FaultKind.EMPTY),
    Part.NGINX: (FaultKind.KILL, FaultKind.STOP, FaultKind.RELOAD),
}
"""Possible faults of each part."""

_PROCESSES: Final = (Part.SERVER_1, Part.SERVER_2, Part.POSTGRES, Part.REDIS, Part.NGINX)
_LINKS: Final = tuple(part for part in Part if part not in _PROCESSES)
_PROCESS_SHARE: Final = 0.6
_FAULTS_PER_S: Final = 0.6
_SHORT_S: Final = (0.2, 4.0)
_LONG_S: Final = (8.0, 12.0)
"""Longer than leases, statement timeouts and deadlines of requests."""
_LONG_SHARE: Final = 0.15
_GAP_S: Final = 0.5
"""Shortest time between two faults of one part."""


def make_schedule(seed: int, duration_s: float) -> list[ScheduledFault]:
    """Return the faults of a round in order of their start; all end within the duration, those of one part in turn."""
    rng = random.Random(seed)
    scheduled: list[ScheduledFault] = []
    for _ in range(max(3, round(duration_s * _FAULTS_PER_S))):
        part = rng.choice(_PROCESSES if rng.random() < _PROCESS_SHARE else _LINKS)
        kind = rng.choice(FAULTS_OF[part])
        longest_s = min(rng.uniform(*(_LONG_S if rng.random() < _LONG_SHARE else _SHORT_S)), duration_s)
        fault = ScheduledFault(rng.uniform(0.0, duration_s - longest_s), longest_s, part, kind, rng.random())
        if not any(_overlap(fault, other) for other in scheduled):
            scheduled.append(fault)
    return sorted(scheduled)


def _overlap(one: ScheduledFault, other: ScheduledFault) -> bool:
    if one.part is not other.part:
        return False
    return one.start_s < other.end_s + _GAP_S and other.start_s < one.end_s + _GAP_S
