"""Figures and what they are held against."""

from __future__ import annotations

import msgspec


class SoakMeasurement(msgspec.Struct, frozen=True):
    """One number; without ``most`` it is stated, not judged."""

    name: str
    value: float
    unit: str
    most: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is within its bound."""
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        bound = "" if self.most is None else f"  (at most {self.most:g})"
        mark = " " if self.is_good else "!"
        return f"{mark} {self.name:<62}{self.value:>10.2f} {self.unit}{bound}"


class SoakPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything; the defaults are the full soak."""

    readers: int = 20
    sockets: int = 5_000
    handshakes: int = 2_000
    idle: int = 1_000
    idle_s: float = 60.0
    churn_s: float = 600.0
    churn_per_s: float = 5.0
    settings: dict[str, int | str] = msgspec.field(default_factory=dict)
    slack: float = 1.0
    """Bounds on seconds and stalls are so many times wider, for machines that do other things too."""
