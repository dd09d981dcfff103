"""Comparison of Socket.IO servers: CPU time, latency, memory, and the cost of a message with many idle connections.

A new server is started for each round and pinned to one core; the load generator runs on the others. CPU time is
that of the server process, user and system.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks.common import runner
from benchmarks.engine import report
from benchmarks.engine.implementations import ServerImplementation, prepare_node
from benchmarks.engine.results import EngineRun, GrowthStep, ratios, spreads
from benchmarks.engine.run import EnginePlan, run_growth, run_loads
from chatws_loadtest.server_process import reserve_core

FULL = EnginePlan(window_s=8, idle=1_000, pairs_per_s=2_000, growth_steps=(0, 1_000, 5_000, 10_000), growth_window_s=25)
QUICK = EnginePlan(window_s=2, warmup_s=1, idle=500, pairs_per_s=2_000, growth_steps=(0, 1_000), growth_window_s=3)
FULL_ROUNDS = 3
PACKAGES = ("chatws", "python-socketio", "aiohttp", "uvloop", "msgspec")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0, 3 if the load could not be set up, 98 if a run was invalid."""
    options = _parser().parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    plan = QUICK if options.quick else FULL
    node = prepare_node()
    software = {"SQLite": sqlite3.sqlite_version}
    if node is not None:
        software |= {"Node": runner.node_version(), "socket.io (npm)": node}
    machine = runner.prepare_machine(PACKAGES, software)
    selected = [ServerImplementation(name) for name in options.only] if options.only else list(ServerImplementation)
    if node is None and ServerImplementation.NODE in selected:
        print("not measured: Node is not installed", file=sys.stderr)
        selected.remove(ServerImplementation.NODE)
    core = reserve_core()
    runs = _run_rounds(plan, selected, runner.count_rounds(options, FULL_ROUNDS), core)
    growth = [] if options.no_growth else _run_growth(plan, core)
    measured = report.EngineReport(
        at=datetime.now(UTC),
        machine=machine,
        plan=plan,
        runs=runs,
        growth=growth,
        spreads=spreads(runs),
        ratios=ratios(runs),
    )
    print(report.table(measured))
    if options.out is not None:
        print(f"\nwritten: {runner.write_json(measured, options.out, report.FILE_NAME)}")
    return runner.exit_code(is_valid=all(run.is_valid for run in runs) and all(step.paced.is_valid for step in growth))


def _run_rounds(
    plan: EnginePlan, selected: Sequence[ServerImplementation], rounds: int, core: int | None
) -> list[EngineRun]:
    def measure(implementation: ServerImplementation, number: int, data_dir: Path) -> EngineRun:
        try:
            return uvloop.run(run_loads(plan, implementation, number, data_dir, core))
        finally:
            gc.unfreeze()

    return runner.run_rounds(selected, rounds, measure, report.describe_run)


def _run_growth(plan: EnginePlan, core: int | None) -> list[GrowthStep]:
    with tempfile.TemporaryDirectory(prefix=runner.DATA_DIR_PREFIX) as data_dir:
        return uvloop.run(run_growth(plan, ServerImplementation.CHATWS, Path(data_dir), core))


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.engine", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    runner.add_round_options(parser, FULL_ROUNDS)
    parser.add_argument(
        "--only",
        action="append",
        choices=[implementation.value for implementation in ServerImplementation],
        help="measure this server only; can be repeated",
    )
    parser.add_argument("--no-growth", action="store_true", help="omit the measurement with many idle connections")
    runner.add_out_option(parser, report.FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
