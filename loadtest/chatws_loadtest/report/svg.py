"""Line plots as SVG with marks and limits, without scripts or external resources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
HEIGHT: Final = 240
LEFT: Final = 64
RIGHT: Final = 16
TOP: Final = 16
BOTTOM: Final = 34
MAX_LABELS: Final = 12
ROUND_STEPS: Final = [factor * 10**power for power in range(7) for factor in (1, 2, 5)]
COLOURS: Final = ("#1f6feb", "#d29922", "#1a7f37", "#8250df", "#cf222e")
DASHES: Final = ("", "6 3", "2 3", "8 3 2 3", "1 3")
"""Lines differ by their dashes too, so that they can be distinguished without colour."""


@dataclass(frozen=True, slots=True)
class PlotLine:
    """Line of a plot; None in ``ys`` interrupts it."""

    name: str
    ys: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Plot of lines over shared x values, with horizontal limits and vertical marks."""

    title: str
    xs: Sequence[float]
    lines: Sequence[PlotLine]
    x_unit: str
    y_unit: str
    limits: Sequence[tuple[str, float]] = ()
    marks: Sequence[tuple[str, float]] = ()
    x_labels: Sequence[str] | None = None


def draw(plot: Plot) -> str:
    """Return the figure; without values, only its caption."""
    values = [y for line in plot.lines for y in line.ys if y is not None]
    if not values or not plot.xs:
        return f"<figure><figcaption>{escape(plot.title)}: no data</figcaption></figure>"
    scale = _Scale(plot, _round_up(max([*values, *(limit for _, limit in plot.limits)])))
    parts = [
        *_grid(plot, scale),
        *(_limit(scale, name, y) for name, y in plot.limits),
        *(_mark(scale, name, x, index) for index, (name, x) in enumerate(plot.marks)),
        *(_polyline(scale, plot.xs, line, index) for index, line in enumerate(plot.lines)),
    ]
    legend = " ".join(_legend(line.name, index) for index, line in enumerate(plot.lines))
    return (
        f"<figure><figcaption>{escape(plot.title)}, {escape(plot.y_unit)} {legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}">'
        f"{''.join(parts)}</svg></figure>"
    )


class _Scale:
    """Conversion of values to pixels."""

    def __init__(self, plot: Plot, top: float) -> None:
        self.top = top
        self.first = min(plot.xs)
        self.last = max(*plot.xs, self.first + 1e-9)

    def x(self, value: float) -> float:
        share = (value - self.first) / (self.last - self.first)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM), 1)


def _grid(plot: Plot, scale: _Scale) -> list[str]:
    lines = []
    for quarter in range(5):
        value = scale.top * quarter / 4
        y = scale.y(value)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,.6g}</text>')
    for x, label in _x_labels(plot):
        lines.append(f'<text x="{scale.x(x)}" y="{HEIGHT - 18}" text-anchor="middle">{escape(label)}</text>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">{escape(plot.x_unit)}</text>')
    return lines


def _x_labels(plot: Plot) -> list[tuple[float, str]]:
    """Return at most a dozen labels; on an axis of numbers, those that are multiples of a round number."""
    if plot.x_labels is not None:
        named = list(zip(plot.xs, plot.x_labels, strict=True))
        return named[:: math.ceil(len(named) / MAX_LABELS)]
    step = next(step for step in ROUND_STEPS if (max(plot.xs) - min(plot.xs)) / step < MAX_LABELS)
    return [(x, f"{x:g}") for x in plot.xs if x % step == 0]


def _limit(scale: _Scale, name: str, y: float) -> str:
    at = scale.y(y)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
        f'<text class="limit" x="{WIDTH - RIGHT - 4}" y="{at - 4}" text-anchor="end">{escape(name)}</text>'
    )


def _mark(scale: _Scale, name: str, x: float, index: int) -> str:
    at = scale.x(x)
    has_room = at < WIDTH * 3 / 4
    place = f'x="{at + 4}"' if has_room else f'x="{at - 4}" text-anchor="end"'
    return (
        f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text {place} y="{TOP + 10 + 12 * (index % 3)}">{escape(name)}</text>'
    )


def _polyline(scale: _Scale, xs: Sequence[float], line: PlotLine, index: int) -> str:
    runs: list[list[str]] = [[]]
    for x, y in zip(xs, line.ys, strict=True):
        if y is None:
            runs.append([])
        else:
            runs[-1].append(f"{scale.x(x)},{scale.y(y)}")
    style = f'stroke="{COLOURS[index]}" stroke-dasharray="{DASHES[index]}"'
    # A single point is drawn as a line of length zero: a polyline of one point is invisible.
    shown = [run if len(run) > 1 else run * 2 for run in runs if run]
    return "".join(f'<polyline class="line" {style} points="{" ".join(run)}"/>' for run in shown)


def _legend(name: str, index: int) -> str:
    line = f'<line x1="0" x2="24" y1="6" y2="6" stroke="{COLOURS[index]}" stroke-dasharray="{DASHES[index]}"/>'
    return f'<svg class="key" viewBox="0 0 24 12">{line}</svg> {escape(name)}'


def _round_up(value: float) -> float:
    """Return the next higher round number, so that the axis has readable steps."""
    if value <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 4, 8, 10) if step * magnitude >= value)
