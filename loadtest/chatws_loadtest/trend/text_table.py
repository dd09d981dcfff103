"""Text form of a trend: a table of the series with a small plot of each, and a larger one of each regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from chatws_loadtest.text_plot import draw_bars, draw_plot
from chatws_loadtest.text_summary import count
from chatws_loadtest.text_table import align
from chatws_loadtest.trend.history import RunHistory
from chatws_loadtest.trend.regressions import ALPHA, MIN_RUNS, SeriesTrend

HEAD: Final = ("measurement", "runs", "first", "last", "per run", "p", "plot, verdict")


def describe_trends(trends: Sequence[SeriesTrend], history: RunHistory) -> str:
    """Return one table for each group of comparable runs, the runs left out, and the result."""
    blocks = [
        "\n".join([f"{group}, on {group.machine}", *align([HEAD, *map(_row, rows)])])
        for group, rows in groupby(trends, key=lambda trend: trend.series.group)
    ]
    if history.omitted:
        lines = [f"  {run.file}: {run.reason}" for run in history.omitted]
        blocks.append("\n".join([f"left out: {count(len(lines), 'run')}", *lines]))
    blocks.append("\n".join(_result(trends)))
    return "\n\n".join(blocks)


def state_method() -> str:
    """Describe the test in one sentence."""
    return (
        f"A regression is a rise over at least {MIN_RUNS} runs that the Mann-Kendall test finds significant at"
        f" {ALPHA:g}, corrected for the number of series (Holm), and that is large enough to matter."
    )


def _row(trend: SeriesTrend) -> tuple[str, ...]:
    series = trend.series
    values = series.values
    plot = draw_bars(values) + ("  REGRESSION" if trend.is_regression else "")
    return (
        series.name,
        str(len(values)),
        f"{values[0]:.2f} {series.unit}",
        f"{values[-1]:.2f} {series.unit}",
        f"{trend.share_per_run:+.1%}",
        "-" if trend.p_value is None else f"{trend.p_value:.2g}",
        plot,
    )


def _result(trends: Sequence[SeriesTrend]) -> Iterator[str]:
    found = [trend for trend in trends if trend.is_regression]
    for trend in found:
        yield from (f"  {line}" for line in draw_plot(trend.series.values, trend.series.unit))
        yield (
            f"regression: {trend.series.name} ({trend.series.group}) rises by {trend.share_per_run:.1%} per run,"
            f" {trend.rise:.2f} {trend.series.unit} in {len(trend.series.points)} runs"
        )
    tested = sum(trend.p_value is not None for trend in trends)
    if found:
        yield f"trend: FAIL, {count(len(found), 'regression')} in {count(tested, 'series', '')} tested"
    elif tested:
        yield f"trend: pass, no regression in {count(tested, 'series', '')} tested"
    else:
        yield f"trend: not tested, a series needs {MIN_RUNS} runs"
