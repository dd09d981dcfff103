"""Comparison of Socket.IO servers: CPU time, latency, memory, and the cost of a message with many idle connections.

A new server is started for each round and pinned to one core; the load generator runs on the others. CPU time is
that of the server process, user and system.
"""

from __future__ import annotations

import argparse
import enum
import gc
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from benchmarks.common import runner
from benchmarks.engine import report
from benchmarks.engine.comparison import TARGET_PER_S, ratios, spreads
from benchmarks.engine.implementations import COMPARED, ServerImplementation, prepare_node
from benchmarks.engine.results import EngineRow, EngineRun, Growth
from benchmarks.engine.run import EnginePlan, run_growth, run_loads
from chatws_loadtest.server_process import reserve_core

FULL = EnginePlan(window_s=8, idle=1_000, pairs_per_s=TARGET_PER_S, growth_steps=(0, 10_000), growth_window_s=25)
QUICK = EnginePlan(
    window_s=2,
    warmup_s=1,
    warmup_messages=2_000,
    idle=500,
    pairs_per_s=TARGET_PER_S,
    growth_steps=(0, 1_000),
    growth_window_s=3,
)
FULL_ROUNDS = 3
PACKAGES = ("chatws", "python-socketio", "aiohttp", "uvloop", "msgspec")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0, 3 if the load could not be set up, 98 if a run was invalid."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.baseline is None and ServerImplementation.CHATWS_BASELINE in options.servers:
        parser.error(f"{ServerImplementation.CHATWS_BASELINE} needs --baseline")
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    plan = _plan(options)
    selected = list(options.servers)
    if options.baseline is not None and ServerImplementation.CHATWS_BASELINE not in selected:
        selected.append(ServerImplementation.CHATWS_BASELINE)
    node = prepare_node() if any(implementation.is_node for implementation in selected) else {}
    software = {"SQLite": sqlite3.sqlite_version}
    if node:
        software |= {"Node": runner.node_version()} | {f"{name} (npm)": version for name, version in node.items()}
    machine = runner.prepare_machine(PACKAGES, software)
    if node is None:
        print("not measured: Node is not installed", file=sys.stderr)
        selected = [implementation for implementation in selected if not implementation.is_node]
    core = reserve_core()
    runs = _run_rounds(plan, selected, runner.count_rounds(options, FULL_ROUNDS), core)
    growth = _run_growth(plan, selected, core)
    measured = report.EngineReport(
        at=datetime.now(UTC),
        machine=machine,
        plan=plan,
        runs=runs,
        growth=growth,
        spreads=spreads(runs),
        ratios=ratios(runs, plan.pairs_per_s),
    )
    print(report.table(measured))
    if options.out is not None:
        print(f"\nwritten: {runner.write_json(measured, options.out, report.FILE_NAME)}")
    return runner.exit_code(is_valid=all(run.is_valid for run in runs) and all(steps.is_valid for steps in growth))


def _plan(options: argparse.Namespace) -> EnginePlan:
    plan = QUICK if options.quick else FULL
    return msgspec.structs.replace(
        plan,
        rows=tuple(options.only),
        baseline=options.baseline,
        window_s=options.seconds or plan.window_s,
        pairs_per_s=options.rate or plan.pairs_per_s,
    )


def _run_rounds(
    plan: EnginePlan, selected: Sequence[ServerImplementation], rounds: int, core: int | None
) -> list[EngineRun]:
    if set(plan.rows) == {EngineRow.GROWTH}:
        return []

    def measure(implementation: ServerImplementation, number: int, data_dir: Path) -> EngineRun:
        try:
            return uvloop.run(run_loads(plan, implementation, number, data_dir, core))
        finally:
            gc.unfreeze()

    return runner.run_rounds(selected, rounds, measure, report.describe_run)


def _run_growth(plan: EnginePlan, selected: Sequence[ServerImplementation], core: int | None) -> list[Growth]:
    if EngineRow.GROWTH not in plan.rows:
        return []

    def measure(implementation: ServerImplementation, _number: int, data_dir: Path) -> Growth:
        try:
            return uvloop.run(run_growth(plan, implementation, data_dir, core))
        finally:
            gc.unfreeze()

    return runner.run_rounds(selected, 1, measure, report.describe_growth)


Choice = TypeVar("Choice", bound=enum.StrEnum)


def _choices(kind: type[Choice], text: str) -> list[Choice]:
    """Parse names separated by commas, in the order of the table.

    Raises:
        argparse.ArgumentTypeError: a name is unknown.
    """
    names = text.split(",")
    unknown = set(names) - set(kind)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(kind)}")
    return [member for member in kind if member in names]


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.engine", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    runner.add_round_options(parser, FULL_ROUNDS)
    parser.add_argument(
        "--servers",
        type=lambda text: _choices(ServerImplementation, text),
        default=list(COMPARED),
        metavar="LIST",
        help=f"measure these servers only, separated by commas: {', '.join(ServerImplementation)}",
    )
    parser.add_argument(
        "--only",
        type=lambda text: _choices(EngineRow, text),
        default=list(EngineRow),
        metavar="LIST",
        help=f"measure these parts only, separated by commas: {', '.join(EngineRow)}",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="length of each measured load")
    parser.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help="messages per second of the paced pairs (2,000, the only rate with targets)",
    )
    parser.add_argument(
        "--baseline",
        metavar="PROGRAM",
        help="also measure another version of chatws: the path of its `chatws` program",
    )
    runner.add_out_option(parser, report.FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
