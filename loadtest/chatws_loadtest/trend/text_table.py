"""Text form of a trend: a table of the series with a small plot of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from chatws_loadtest.text_summary import count
from chatws_loadtest.trend.history import RunHistory, TrendSeries

BARS: Final = "▁▂▃▄▅▆▇█"


def describe_history(history: RunHistory) -> str:
    """Return one block for each group of comparable runs, and the runs left out."""
    blocks = [
        "\n".join([f"{group}, on {group.machine}", *_rows(list(series))])
        for group, series in groupby(history.series, key=lambda row: row.group)
    ]
    if history.omitted:
        lines = [f"  {run.file}: {run.reason}" for run in history.omitted]
        blocks.append("\n".join([f"left out: {count(len(lines), 'run')}", *lines]))
    return "\n\n".join(blocks)


def draw_bars(values: Sequence[float]) -> str:
    """Draw values as a row of bars from zero to their maximum."""
    top = max(values)
    return "".join(BARS[round(value / top * (len(BARS) - 1)) if top else 0] for value in values)


def _rows(series: list[TrendSeries]) -> Iterator[str]:
    width = max(len(row.name) for row in series)
    for row in series:
        first, last = row.values[0], row.values[-1]
        yield (
            f"  {row.name:<{width}}  {first:>9.2f} → {last:>9.2f} {row.unit:<3}"
            f"  {count(len(row.points), 'run'):>8}  {draw_bars(row.values)}"
        )
