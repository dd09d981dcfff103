"""What has changed since an older report, and whether that is worse than noise explains."""

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

LEAST_MS: Final = 1.0
"""Latencies that differ by less are the same: timers are not finer."""


@dataclass(frozen=True, slots=True)
class Change:
    """One number then and now: the middle of the repeats."""

    name: str
    unit: str
    before: float
    after: float
    is_regression: bool

    @property
    def share(self) -> float:
        """How much larger the new value is, as a share of the old one."""
        return self.after / self.before - 1 if self.before else 0.0


def compare(old: Report, new: Report, tolerance: float) -> list[Change]:
    """Compare the numbers that both have.

    A regression is a middle value that rose by more than ``tolerance`` (a share) while even the best of the new
    repeats is worse than the worst of the old ones: repeats that overlap differ by noise.
    """
    before, after = _gather(benchmarks(old)), _gather(benchmarks(new))
    changes = []
    for name in before.keys() & after.keys():
        unit, old_values = before[name]
        _, new_values = after[name]
        was, now = median(old_values), median(new_values)
        is_large = now > was * (1 + tolerance) and (unit != "ms" or now - was > LEAST_MS)
        changes.append(Change(name, unit, was, now, is_large and min(new_values) > max(old_values)))
    return sorted(changes, key=lambda change: change.name)


def describe_changes(changes: Sequence[Change]) -> str:
    """Describe the changes, a line each, and how many are regressions."""
    lines = [
        f"  {change.name}: {change.before:.2f} → {change.after:.2f} {change.unit} ({change.share:+.0%})"
        + (" REGRESSION" if change.is_regression else "")
        for change in changes
    ]
    worse = sum(change.is_regression for change in changes)
    verdict = f"comparison: FAIL, {count(worse, 'regression')}; is it noise? --repeat tells" if worse else ""
    verdict = verdict or f"comparison: {'pass' if lines else 'there is nothing to compare'}"
    return "\n".join(["change since the older report", *lines, verdict])


def _gather(numbers: Iterable[Benchmark]) -> dict[str, tuple[str, list[float]]]:
    gathered: dict[str, tuple[str, list[float]]] = {}
    for number in numbers:
        gathered.setdefault(number.name, (number.unit, []))[1].append(number.value)
    return gathered
