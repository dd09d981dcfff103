"""Soak test of the server: runs the scenarios one after the other and compares the measurements with their bounds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import uvloop

from benchmarks.common import runner
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.churn import churn
from benchmarks.soak.many_addresses import many_handshakes, slow_heads
from benchmarks.soak.memory_rounds import memory_rounds
from benchmarks.soak.plan import QUICK, SoakPlan
from benchmarks.soak.scenarios import idle_connections, idle_handshakes, mass_disconnect, slow_readers

SCENARIOS: dict[str, Callable[[SoakPlan], Awaitable[list[BoundedMeasurement]]]] = {
    "slow-readers": slow_readers,
    "mass-drop": mass_disconnect,
    "handshakes": idle_handshakes,
    "addresses": many_handshakes,
    "slow-heads": slow_heads,
    "idle": idle_connections,
    "rounds": memory_rounds,
    "churn": churn,
}
FILE_NAME = "soak.json"
_SWITCH_INTERVAL_S = 0.0005
"""Time that the bystanders wait for the interpreter lock while the clients of a flood are busy; 5 ms in Python."""


def main(arguments: list[str] | None = None) -> int:
    """Run the scenarios and return the exit code: 0, 3 if one could not start, 99 if a measurement is out of bounds."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"unknown scenario {unknown[0]!r}; choose from {', '.join(SCENARIOS)}")
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    runner.prepare_machine(("chatws", "aiohttp", "uvloop"))
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    plan = QUICK if options.quick else SoakPlan()
    if options.minutes is not None:
        plan = msgspec.structs.replace(plan, churn_s=options.minutes * 60)
    measurements = uvloop.run(_run_scenarios(plan, options.scenarios or list(SCENARIOS)))
    if options.out is not None:
        print(f"\nwritten: {runner.write_json(measurements, options.out, FILE_NAME)}")
    return runner.exit_code(is_within_targets=all(measurement.is_within_bound for measurement in measurements))


async def _run_scenarios(plan: SoakPlan, names: Sequence[str]) -> list[BoundedMeasurement]:
    """Run the scenarios and print the measurements of each when it ends."""
    measurements: list[BoundedMeasurement] = []
    for name in names:
        measured = await SCENARIOS[name](plan)
        print(*measured, sep="\n", flush=True)
        measurements += measured
    return measurements


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.soak", __doc__ or "")
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; all of them by default"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers of clients, for a first impression only")
    parser.add_argument("--minutes", type=float, help="duration of the churn (10; with --quick 20 s)")
    runner.add_out_option(parser, FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
