"""Plots of a series in text: a row of bars, and a plot of several rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BARS: Final = "▁▂▃▄▅▆▇█"
PLOT_ROWS: Final = 8
COLUMN: Final = 2


def draw_bars(values: Sequence[float]) -> str:
    """Draw values as a row of bars from zero to their maximum."""
    top = max(values, default=0.0)
    return "".join(BARS[round(value / top * (len(BARS) - 1)) if top > 0 else 0] for value in values)


def draw_plot(values: Sequence[float], unit: str) -> list[str]:
    """Draw values as points between their minimum and their maximum, one column each."""
    low, high = min(values), max(values)
    step = (high - low) / (PLOT_ROWS - 1) or 1.0
    levels = [round((value - low) / step) for value in values]
    labels = {PLOT_ROWS - 1: f"{high:.2f} {unit}", 0: f"{low:.2f} {unit}"}
    width = max(map(len, labels.values()))
    rows = []
    for row in reversed(range(PLOT_ROWS)):
        points = "".join(("•" if level == row else " ").center(COLUMN) for level in levels)
        rows.append(f"{labels.get(row, ''):>{width}} ┤{points}".rstrip())
    return rows
