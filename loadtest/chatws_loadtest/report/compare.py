"""Comparison of a report with an older one, which distinguishes regressions from noise."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from chatws_loadtest.report.bench import benchmarks
from chatws_loadtest.text_summary import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chatws_loadtest.report.bench import Benchmark
    from chatws_loadtest.results import Report

MIN_DIFFERENCE_MS: Final = 1.0
"""Smaller differences of latencies are ignored: the resolution of timers is no finer."""


@dataclass(frozen=True, slots=True)
class Change:
    """Measurement in both reports: the median of the repeated runs."""

    name: str
    unit: str
    before: float
    after: float
    is_regression: bool

    @property
    def share(self) -> float:
        """Increase as a share of the old value."""
        return self.after / self.before - 1 if self.before else 0.0


def compare(old: Report, new: Report, tolerance: float) -> list[Change]:
    """Compare the measurements that are in both reports.

    A regression is a median that rose by more than ``tolerance`` (a share), if even the best new run is worse than the
    worst old one: ranges that overlap differ by noise.
    """
    before, after = _gather(benchmarks(old)), _gather(benchmarks(new))
    changes = []
    for name in before.keys() & after.keys():
        unit, old_values = before[name]
        _, new_values = after[name]
        old_median, new_median = median(old_values), median(new_values)
        is_large = new_median > old_median * (1 + tolerance) and (
            unit != "ms" or new_median - old_median > MIN_DIFFERENCE_MS
        )
        changes.append(Change(name, unit, old_median, new_median, is_large and min(new_values) > max(old_values)))
    return sorted(changes, key=lambda change: change.name)


def describe_difference(change: Change) -> str:
    """Describe both values of a change, and the difference in percent."""
    return f"{change.before:.2f} → {change.after:.2f} {change.unit} ({change.share:+.0%})"


def describe_changes(changes: Sequence[Change]) -> str:
    """Describe the changes, one per line, and the number of regressions."""
    lines = [
        f"  {change.name}: {describe_difference(change)}" + (" REGRESSION" if change.is_regression else "")
        for change in changes
    ]
    worse = sum(change.is_regression for change in changes)
    verdict = f"comparison: FAIL, {count(worse, 'regression')}; use --repeat to exclude noise" if worse else ""
    verdict = verdict or f"comparison: {'pass' if lines else 'the reports have no measurement in common'}"
    return "\n".join(["changes since the older report", *lines, verdict])


def _gather(measurements: Iterable[Benchmark]) -> dict[str, tuple[str, list[float]]]:
    gathered: dict[str, tuple[str, list[float]]] = {}
    for item in measurements:
        gathered.setdefault(item.name, (item.unit, []))[1].append(item.value)
    return gathered
