"""Compares one server with three at the same load, on a PostgreSQL and a Redis that run already.

Everything is on one machine, the servers on one of its cores and everything else on the others, so CPU is compared, not
capacity: three servers on three machines carry what one of them carries, three times.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import uvloop

from benchmarks.cluster import results
from benchmarks.cluster.results import ClusterPlan, ClusterReport, ClusterRun, Layout
from benchmarks.cluster.trial import Services, run_isolation, run_trial
from benchmarks.common.client import ConnectionFailed
from benchmarks.common.pair_load import LoadFailed
from chatws_loadtest import procfs
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.server_process import ServerStartFailed, reserve_core

EXIT_CANNOT_START = 3
EXIT_INVALID = 98
EXIT_MISSED = 99

FULL = ClusterPlan(idle=600, conversations=150, rate=2.0, warmup_s=2.0, window_s=10.0)
QUICK = ClusterPlan(idle=150, conversations=60, rate=2.0, warmup_s=1.0, window_s=3.0)
FULL_ROUNDS = 3
ISOLATION_SHARES = (0.25, 0.5, 1.0, 2.0)
"""Of the plan's rate, in the conversations that the watched server does not host."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code.

    0 measured, 3 a server did not start, 98 a run was invalid, 99 a server pays for rooms that it does not host.
    """
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else FULL
    if options.rate is not None:
        plan = msgspec.structs.replace(plan, rate=options.rate)
    rounds = options.rounds if options.rounds is not None else 1 if options.quick else FULL_ROUNDS
    _raise_file_limit()
    machine = _describe_machine()
    print(*(f"{name}: {value}" for name, value in machine.items()), sep="\n")
    services = Services(options.database_url, options.redis_url, options.postgres_pid, options.redis_pid)
    core = reserve_core()
    try:
        report = _run(plan, rounds, services, core, machine)
    except (ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed, OSError) as error:
        print(f"the load could not be built up: {error!r}", file=sys.stderr)
        return EXIT_CANNOT_START
    print(results.table(report))
    if options.out is not None:
        print(f"\nwritten: {results.write(report, options.out)}")
    if not report.is_valid:
        return EXIT_INVALID
    return 0 if report.is_isolated else EXIT_MISSED


def _run(
    plan: ClusterPlan, rounds: int, services: Services, core: int | None, machine: dict[str, str]
) -> ClusterReport:
    trials: list[ClusterRun] = []
    for number in range(1, rounds + 1):
        for layout in Layout:
            with tempfile.TemporaryDirectory(prefix="chatws-bench-") as folder:
                trial = uvloop.run(run_trial(plan, layout, number, services, data_dir=Path(folder), core=core))
            print(results.describe_trial(trial), flush=True)
            trials.append(trial)
    rates = [plan.rate * share for share in ISOLATION_SHARES]
    with tempfile.TemporaryDirectory(prefix="chatws-bench-") as folder:
        steps = uvloop.run(run_isolation(plan, rates, services, data_dir=Path(folder), core=core))
    print("a server beside two busy ones:", *map(results.describe_step, steps), sep="\n")
    return ClusterReport(
        at=datetime.now(UTC),
        machine=machine,
        plan=plan,
        trials=trials,
        isolation=steps,
        strange_us_per_message=results.strange_us(steps),
        busy_us_per_message=results.busy_us(steps),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--database-url", required=True, help="PostgreSQL; the benchmark leaves its people and messages there")
    add("--redis-url", required=True)
    add("--postgres-pid", type=int, help="process id of PostgreSQL, to read its CPU time")
    add("--redis-pid", type=int, help="process id of Redis, to read its CPU time")
    add("--quick", action="store_true", help="one short round, under a minute: a look, not a result")
    add("--rate", type=float, help=f"messages per second in each conversation ({FULL.rate:g})")
    add("--rounds", type=int, help=f"rounds of all layouts ({FULL_ROUNDS}, quick: 1)")
    add("--out", type=Path, help=f"folder for {results.FILE_NAME}")
    return parser


def _describe_machine() -> dict[str, str]:
    programs = {name: version(name) for name in ("chatws", "aiohttp", "uvloop", "asyncpg")}
    return {
        "machine": f"{procfs.cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        **programs,
    }


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
