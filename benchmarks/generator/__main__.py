"""Comparison of load generators: CPU time, memory and ack latency, each on a new server.

CPU time is that of the generator's process, user and system, and therefore comparable on a busy machine. Latencies are
not: each is listed with that of a bare WebSocket client that used the same server at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.common import runner
from benchmarks.generator.implementations import ON_NODE, OURS, TITLES, GeneratorImplementation, NotInstalled, install
from benchmarks.generator.run import Folders, GeneratorRun, LoadSize, run_generator
from benchmarks.generator.thresholds import COST_TARGETS, compare, describe_many_users
from chatws_loadtest.samples import Spread, spread
from chatws_loadtest.server_process import reserve_core

FILE_NAME = "generator.json"
USERS = 500
FULL_ROUNDS = 3
FULL_S, QUICK_S = 20.0, 8.0
MANY_USERS = 2_000
"""Users that one process of chatws loadtest has to sustain below a full core."""
PACKAGES = ("chatws", "locust", "gevent", "python-socketio")

METHOD = """\
The cost of a message includes sending it, its ack, the sender's copy and the receiver's, because sender and receiver
are users of the same process. Typing, history and read marks increase the packets to about 1.4 times that. Latencies
are reported by the generators and count from the scheduled time of sending; Artillery has no schedule, it sends one
second after the last ack and counts from the actual time of sending."""


class GeneratorReport(msgspec.Struct, frozen=True, kw_only=True):
    """All runs; the spreads are over the runs of a generator in which the messages were acked."""

    at: datetime
    machine: dict[str, str]
    seconds: float
    runs: list[GeneratorRun]
    many: GeneratorRun | None
    """Run with many users on one process."""
    missing: dict[GeneratorImplementation, str]
    """Reason by generator that was not measured."""
    spreads: dict[GeneratorImplementation, dict[str, Spread]]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0 if measured, 3 if the load could not be set up."""
    options = _parser().parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    selected: list[GeneratorImplementation] = options.only or list(GeneratorImplementation)
    size = LoadSize(options.users, QUICK_S if options.quick else FULL_S)
    with tempfile.TemporaryDirectory(prefix="chatws-bench-node-") as node_dir:
        versions, missing = _install(selected, Path(node_dir))
        machine = runner.prepare_machine(PACKAGES, versions)
        installed = [implementation for implementation in selected if implementation not in missing]
        core = reserve_core()

        def run(load: LoadSize, implementations: Sequence[GeneratorImplementation], rounds: int) -> list[GeneratorRun]:
            return runner.run_rounds(
                implementations,
                rounds,
                lambda implementation, _, data_dir: asyncio.run(
                    run_generator(implementation, load, Folders(data_dir, Path(node_dir)), core)
                ),
                _describe_run,
            )

        runs = run(size, installed, runner.count_rounds(options, FULL_ROUNDS))
        has_many = GeneratorImplementation.OURS in installed and not options.quick
        many = run(LoadSize(MANY_USERS, size.seconds), [GeneratorImplementation.OURS], 1)[0] if has_many else None
    complete = {
        implementation: [run for run in runs if run.implementation is implementation and run.is_complete]
        for implementation in installed
    }
    missing |= {
        implementation: "messages were not acked" for implementation, measured in complete.items() if not measured
    }
    report = GeneratorReport(
        at=datetime.now(UTC),
        machine=machine,
        seconds=size.seconds,
        runs=runs,
        many=many,
        missing=missing,
        spreads={implementation: _spreads(measured) for implementation, measured in complete.items() if measured},
    )
    print("\n".join(_table(report)))
    if options.out is not None:
        print(f"\nwritten: {runner.write_json(report, options.out, FILE_NAME)}")
    return runner.exit_code()


def _install(
    selected: Sequence[GeneratorImplementation], node_dir: Path
) -> tuple[dict[str, str], dict[GeneratorImplementation, str]]:
    """Install the generators on Node; return the versions by package, and the reasons by generator not installed."""
    versions: dict[str, str] = {}
    missing: dict[GeneratorImplementation, str] = {}
    for implementation in sorted(ON_NODE & set(selected)):
        try:
            versions |= install(implementation, node_dir)
        except NotInstalled as error:
            missing[implementation] = str(error)
    if versions:
        versions["Node"] = runner.node_version()
    return versions, missing


def _describe_run(run: GeneratorRun) -> str:
    return (
        f"{run.implementation:<14} {run.users} users: {run.us_per_message:.0f} µs per message, "
        f"{run.ms_per_connect:.2f} ms per connect, {run.kb_per_user:.1f} kB per user, {run.cores:.2f} cores; "
        f"ack p99 {run.ack.p99_ms:.1f} ms, bare client {run.bare.p99_ms:.1f} ms ({run.ack.count} of {run.sent} acked)"
    )


def _spreads(runs: Sequence[GeneratorRun]) -> dict[str, Spread]:
    return {name: spread([getattr(run, name) for run in runs]) for name in COST_TARGETS}


def _table(report: GeneratorReport) -> Iterator[str]:
    yield f"\n{METHOD}"
    for name, target in COST_TARGETS.items():
        yield f"\n{target.title:<58}{runner.SPREAD_TITLE:>30}"
        for implementation, spreads in report.spreads.items():
            yield f"  {TITLES[implementation]:<56}{runner.format_spread(spreads[name], 2):>30}"
    for implementation, reason in report.missing.items():
        yield f"\nnot measured: {TITLES[implementation]}: {reason}"
    for implementation in (implementation for implementation in report.spreads if implementation in OURS):
        yield f"\n{TITLES[implementation]}"
        yield from (f"  {line}" for line in compare(report.spreads[implementation]))
    if report.many is not None:
        yield f"\n{describe_many_users(report.many)}"


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.generator", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    runner.add_round_options(parser, FULL_ROUNDS)
    parser.add_argument("--users", type=int, default=USERS, help=f"users of each generator ({USERS})")
    parser.add_argument(
        "--only",
        action="append",
        type=GeneratorImplementation,
        choices=list(GeneratorImplementation),
        help="measure this generator only; can be repeated",
    )
    runner.add_out_option(parser, FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
