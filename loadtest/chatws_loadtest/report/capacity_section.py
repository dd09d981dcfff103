"""Section of ``report.html`` about a capacity: its steps as a table and as plots over the connections."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from chatws_loadtest.capacity_curve import CapacityCurve
from chatws_loadtest.capacity_text import HEADER, describe_fit, headline_of, step_cells
from chatws_loadtest.report.svg import Plot, PlotLine


def capacity_rows(curve: CapacityCurve) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of steps, with the columns of `capacity_columns`."""
    for step in curve.steps:
        yield tuple(escape(cell) for cell in step_cells(step))


def capacity_columns() -> tuple[str, ...]:
    """Return the header of the table of steps."""
    return tuple(name for name in HEADER if name)


def capacity_notes(curve: CapacityCurve) -> Iterator[str]:
    """Yield the paragraphs of the section."""
    yield f"<p><strong>{escape(headline_of(curve))}</strong>; {escape(curve.reason)}</p>"
    yield f"<p>{'<br>'.join(escape(line.strip()) for line in describe_fit(curve))}</p>"


def capacity_plots(curve: CapacityCurve) -> Iterator[Plot]:
    """Yield plots over the connections; steps with the same number of connections follow each other."""
    steps = sorted(curve.steps, key=lambda step: step.connections)
    xs = [step.connections for step in steps]
    labels = [str(x) for x in xs]

    def over_connections(title: str, unit: str, *lines: PlotLine) -> Plot:
        return Plot(title, xs, lines, "connections", unit, x_labels=labels)

    rates = [PlotLine("acked", [step.acked_per_s for step in steps])]
    if curve.fit is not None:
        rates.append(PlotLine("fitted", [curve.fit.throughput(x) for x in xs]))
    yield over_connections("Throughput over connections", "messages per second", *rates)
    latency = PlotLine("message p95", [None if us is None else us / 1000 for us in (s.message_p95 for s in steps)])
    yield over_connections("Latency over connections", "ms", latency)
    yield over_connections(
        "CPU over connections",
        "cores",
        PlotLine("server", [step.server_cpu for step in steps]),
        PlotLine("generator", [step.generator_cpu for step in steps]),
    )
    memory = PlotLine(
        "server", [None if step.server_rss_bytes is None else step.server_rss_bytes / 1e6 for step in steps]
    )
    yield over_connections("Memory over connections", "MB", memory)
