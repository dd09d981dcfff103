"""Runs the engine benchmark: rounds of all contenders in turn, then growth; prints tables, writes JSON.

Each contender gets a fresh server alone on one core, and the same generator on the other, round after round, so that
what troubles the machine troubles all of them. CPU is the server process's own, user and system.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import uvloop

from benchmarks.common.client import ConnectionFailed
from benchmarks.engine import report as reports
from benchmarks.engine.implementations import ServerImplementation, prepare_node
from benchmarks.engine.load import EngineLoadFailed
from benchmarks.engine.results import EngineRun, GrowthStep, ratios, spreads
from benchmarks.engine.run import EnginePlan, run_growth, run_trial
from chatws_loadtest import procfs
from chatws_loadtest.server_process import ServerStartFailed, reserve_core

EXIT_CANNOT_START = 3
EXIT_INVALID = 98

FULL = EnginePlan(window_s=8, idle=1_000, pairs_per_s=2_000, growth_steps=(0, 1_000, 5_000, 10_000), growth_window_s=25)
QUICK = EnginePlan(window_s=2, warmup_s=1, idle=500, pairs_per_s=2_000, growth_steps=(0, 1_000), growth_window_s=3)
FULL_ROUNDS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0 measured, 3 a server did not start, 98 a run was invalid."""
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else FULL
    rounds = options.rounds if options.rounds is not None else 1 if options.quick else FULL_ROUNDS
    _raise_file_limit()
    node = prepare_node()
    machine = _describe_machine(node)
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    wanted = [ServerImplementation(name) for name in options.only] if options.only else list(ServerImplementation)
    if node is None and ServerImplementation.NODE in wanted:
        print("there is no Node here: it is left out", file=sys.stderr)
        wanted.remove(ServerImplementation.NODE)
    core = reserve_core()
    try:
        trials = _run_rounds(plan, wanted, rounds, core)
        growth = [] if options.no_growth else _run_growth(plan, core)
    except (ServerStartFailed, ConnectionFailed, EngineLoadFailed, OSError) as error:
        print(f"the load could not be built up: {error!r}", file=sys.stderr)
        return EXIT_CANNOT_START
    report = reports.EngineReport(
        at=datetime.now(UTC),
        machine=machine,
        plan=plan,
        trials=trials,
        growth=growth,
        spreads=spreads(trials),
        ratios=ratios(trials),
    )
    print(reports.table(report))
    if options.out is not None:
        print(f"\nwritten: {reports.write(report, options.out)}")
    is_valid = all(trial.is_valid for trial in trials) and all(step.talk.is_valid for step in growth)
    return 0 if is_valid else EXIT_INVALID


def _run_rounds(
    plan: EnginePlan, wanted: Sequence[ServerImplementation], rounds: int, core: int | None
) -> list[EngineRun]:
    trials: list[EngineRun] = []
    for number in range(1, rounds + 1):
        for contender in wanted:
            with _data_dir() as folder:
                trial = uvloop.run(run_trial(plan, contender, number, Path(folder), core))
            gc.unfreeze()
            print(reports.describe_trial(trial), flush=True)
            trials.append(trial)
    return trials


def _run_growth(plan: EnginePlan, core: int | None) -> list[GrowthStep]:
    with _data_dir() as folder:
        return uvloop.run(run_growth(plan, ServerImplementation.CHATWS, Path(folder), core))


def _data_dir() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="chatws-bench-")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round, under two minutes: a look, not a result")
    add("--rounds", type=int, help=f"rounds of all contenders ({FULL_ROUNDS}, quick: 1)")
    add(
        "--only",
        action="append",
        choices=[one.value for one in ServerImplementation],
        help="this contender (may be repeated)",
    )
    add("--no-growth", action="store_true", help="leave out the growth with idle connections")
    add("--out", type=Path, help=f"folder for {reports.FILE_NAME}")
    return parser


def _describe_machine(node: str | None) -> dict[str, str]:
    programs = {name: version(name) for name in ("chatws", "python-socketio", "aiohttp", "uvloop", "msgspec")}
    if node is not None:
        found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)  # noqa: S607 - the user's own
        programs |= {"node": found.stdout.strip(), "socket.io (npm)": node}
    return {
        "machine": f"{procfs.cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        **programs,
    }


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
