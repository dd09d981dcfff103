"""Measured value with an upper bound."""

from __future__ import annotations

import msgspec


class BoundedMeasurement(msgspec.Struct, frozen=True):
    """One measured value; without ``maximum`` it is reported only."""

    name: str
    value: float
    unit: str
    maximum: float | None = None

    @property
    def is_within_bound(self) -> bool:
        return self.maximum is None or self.value <= self.maximum

    def __str__(self) -> str:
        bound = "" if self.maximum is None else f"  (at most {self.maximum:g})"
        mark = " " if self.is_within_bound else "!"
        return f"{mark} {self.name:<62}{self.value:>10.2f} {self.unit}{bound}"
