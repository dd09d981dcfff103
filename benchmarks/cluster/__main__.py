"""Comparison of one server with three under the same load, on PostgreSQL and Redis.

Without URLs, the benchmark starts PostgreSQL, with fsync, and Redis itself.

All processes run on one machine: the servers share one core, everything else uses the others. The benchmark therefore
compares CPU time, not capacity: three servers on three machines have three times the capacity of one of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop

from benchmarks.cluster import results
from benchmarks.cluster.results import ClusterPlan, ClusterReport, Layout
from benchmarks.cluster.run import SharedServices, run_isolation, run_layout
from benchmarks.common import runner
from chatws_loadtest.server_process import reserve_core
from tools.services.postgres import PostgresProcess
from tools.services.redis import RedisProcess

FULL = ClusterPlan(idle=600, conversations=150, rate=2.0, warmup_s=2.0, window_s=10.0)
QUICK = ClusterPlan(idle=150, conversations=60, rate=2.0, warmup_s=1.0, window_s=3.0)
FULL_ROUNDS = 3
PACKAGES = ("chatws", "aiohttp", "uvloop", "asyncpg")
ISOLATION_RATES = (0.25, 0.5, 1.0, 2.0)
"""Rates of the other servers' conversations, as multiples of the plan's rate."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code.

    0 if measured, 3 if the load could not be set up, 98 if a run was invalid, 99 if the cost of a server depends on
    conversations that it does not host.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.database_url is None) is not (options.redis_url is None):
        parser.error("give both --database-url and --redis-url, or neither")
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    plan = QUICK if options.quick else FULL
    if options.rate is not None:
        plan = msgspec.structs.replace(plan, rate=options.rate)
    machine = runner.prepare_machine(PACKAGES)
    core = reserve_core()
    with _services(options) as services:
        runs = runner.run_rounds(
            list(Layout),
            runner.count_rounds(options, FULL_ROUNDS),
            lambda layout, number, data_dir: uvloop.run(
                run_layout(plan, layout, number, services, data_dir=data_dir, core=core)
            ),
            results.describe_run,
        )
        rates = [plan.rate * multiple for multiple in ISOLATION_RATES]
        with tempfile.TemporaryDirectory(prefix=runner.DATA_DIR_PREFIX) as data_dir:
            steps = uvloop.run(run_isolation(plan, rates, services, data_dir=Path(data_dir), core=core))
    print("a server beside two busy ones:", *map(results.describe_step, steps), sep="\n")
    report = ClusterReport(
        at=datetime.now(UTC),
        machine=machine,
        plan=plan,
        runs=runs,
        isolation=steps,
        remote_us_per_message=results.remote_us(steps),
        host_us_per_message=results.host_us(steps),
    )
    print(results.table(report))
    if options.out is not None:
        print(f"\nwritten: {runner.write_json(report, options.out, results.FILE_NAME)}")
    return runner.exit_code(is_valid=report.is_valid, is_within_targets=report.is_isolated)


@contextmanager
def _services(options: argparse.Namespace) -> Iterator[SharedServices]:
    """Yield the services named by the options, or start them for the duration of the context."""
    if options.database_url is not None:
        yield SharedServices(options.database_url, options.redis_url, options.postgres_pid, options.redis_pid)
        return
    with tempfile.TemporaryDirectory(prefix="chatws-redis-") as folder:
        postgres, redis = PostgresProcess(durable=True), RedisProcess(Path(folder))
        try:
            postgres.start()
            redis.start()
            yield SharedServices(postgres.url(), redis.url, postgres.pid, redis.pid)
        finally:
            redis.kill()
            postgres.close()


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.cluster", "\n\n".join((__doc__ or "").split("\n\n")[:2]))
    add = parser.add_argument
    add("--database-url", metavar="URL", help="running PostgreSQL; users and messages of the benchmark remain in it")
    add("--redis-url", metavar="URL", help="running Redis")
    add("--postgres-pid", type=int, metavar="PID", help="process id of that PostgreSQL, to measure its CPU time")
    add("--redis-pid", type=int, metavar="PID", help="process id of that Redis, to measure its CPU time")
    add("--rate", type=float, help=f"messages per second in each conversation ({FULL.rate:g})")
    runner.add_round_options(parser, FULL_ROUNDS)
    runner.add_out_option(parser, results.FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
