"""``make soak``: runs the scenarios one after the other, prints their figures, and fails when one is out of bounds."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from benchmarks.soak.churn import churn
from benchmarks.soak.measurements import SoakMeasurement, SoakPlan
from benchmarks.soak.scenarios import idle_cost, idle_handshakes, mass_drop, slow_readers
from chatws_loadtest.procfs import cpu_model

SCENARIOS: dict[str, Callable[[SoakPlan], Awaitable[list[SoakMeasurement]]]] = {
    "slow-readers": slow_readers,
    "mass-drop": mass_drop,
    "handshakes": idle_handshakes,
    "idle": idle_cost,
    "churn": churn,
}
TARGET_MISSED = 99
"""The exit code when a figure is out of bounds, as the load test's."""


async def run(plan: SoakPlan, names: list[str]) -> list[SoakMeasurement]:
    """Run the scenarios and print each figure as it comes."""
    print(f"{cpu_model()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")
    figures: list[SoakMeasurement] = []
    for name in names:
        for figure in await SCENARIOS[name](plan):
            print(figure, flush=True)
            figures.append(figure)
    return figures


def main() -> int:
    """Read the options, run, and give the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"some of: {', '.join(SCENARIOS)}; all by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the churn")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write DIR/soak.json")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    plan = SoakPlan(churn_s=chosen.minutes * 60)
    figures = uvloop.run(run(plan, chosen.scenarios or list(SCENARIOS)))
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "soak.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    return 0 if all(figure.is_good for figure in figures) else TARGET_MISSED


if __name__ == "__main__":
    sys.exit(main())
