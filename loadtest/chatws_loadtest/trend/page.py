"""Self-contained HTML page of a trend, with a plot of each series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from statistics import median

from chatws_loadtest.report.page_parts import begin_page, table
from chatws_loadtest.report.svg import Plot, PlotLine, draw
from chatws_loadtest.text_summary import count
from chatws_loadtest.trend.history import RunGroup, RunHistory
from chatws_loadtest.trend.regressions import SeriesTrend
from chatws_loadtest.trend.text_table import state_method


def write_page(trends: Sequence[SeriesTrend], history: RunHistory) -> str:
    """Return the content of the page."""
    found = sum(trend.is_regression for trend in trends)
    title = f"Trend of the load test: {count(found, 'regression') if found else 'no regression'}"
    parts = [f"<p>{escape(state_method())}</p>"]
    for group, rows in groupby(trends, key=lambda trend: trend.series.group):
        parts += _group(group, list(rows))
    if history.omitted:
        rows_left_out = [(escape(run.file), escape(run.reason)) for run in history.omitted]
        parts.append(table("Left out", ("file", "reason"), rows_left_out))
    return "\n".join([*begin_page(title), f"<h1>{escape(title)}</h1>", *parts, "</body></html>\n"])


def _group(group: RunGroup, trends: list[SeriesTrend]) -> Iterator[str]:
    yield f"<h2>{escape(str(group))}</h2><p>{escape(group.machine)}</p>"
    yield table("Series", ("", "runs", "first", "last", "per run", "p", "verdict"), map(_row, trends))
    for trend in trends:
        points = trend.series.points
        yield draw(
            Plot(
                trend.series.name + (": regression" if trend.is_regression else ""),
                list(range(len(points))),
                [PlotLine("value", trend.series.values), PlotLine("trend", _fit(trend))],
                "start of the run",
                trend.series.unit,
                x_labels=[point.started_at.strftime("%m-%d %H:%M") for point in points],
            )
        )


def _row(trend: SeriesTrend) -> tuple[str, ...]:
    values, unit = trend.series.values, trend.series.unit
    verdict = '<span class="fail">REGRESSION</span>' if trend.is_regression else ""
    return (
        escape(trend.series.name),
        str(len(values)),
        f"{values[0]:.2f} {unit}",
        f"{values[-1]:.2f} {unit}",
        f"{trend.share_per_run:+.1%}",
        "-" if trend.p_value is None else f"{trend.p_value:.2g}",
        verdict,
    )


def _fit(trend: SeriesTrend) -> list[float | None]:
    """Return the line with the Theil-Sen slope through the middle of the values."""
    values = trend.series.values
    middle, centre = median(values), (len(values) - 1) / 2
    return [max(0.0, middle + trend.slope * (index - centre)) for index in range(len(values))]
