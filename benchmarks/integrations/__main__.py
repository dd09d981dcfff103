"""Cost of a message with and without a webhook, and with and without connection state recovery.

Every round measures all variants in turn, each on a new server on SQLite, pinned to one core. The differences are those
to the variant without integrations in the same round. CPU time is that of the server process, user and system.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.common import runner
from benchmarks.engine.results import LoadSample
from benchmarks.integrations.measure import Integration, IntegrationPlan, IntegrationRun, run_integration
from chatws_loadtest.samples import spread
from chatws_loadtest.server_process import reserve_core

FILE_NAME: Final = "integrations.json"
ROUNDS: Final = 3
FULL: Final = IntegrationPlan(window_s=6, burst_messages=2_500)
QUICK: Final = IntegrationPlan(window_s=2, warmup_s=1, burst_messages=500, warmup_messages=300)
PACKAGES: Final = ("chatws", "aiohttp", "uvloop", "msgspec")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return 0, 1 if messages or events were lost, 3 without a server, 98 for an invalid run."""
    parser = runner.make_parser("benchmarks.integrations", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    runner.add_round_options(parser, ROUNDS)
    runner.add_out_option(parser, FILE_NAME)
    options = parser.parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    plan = QUICK if options.quick else FULL
    machine = runner.prepare_machine(PACKAGES, {"SQLite": sqlite3.sqlite_version})
    core = reserve_core()

    def measure(integration: Integration, number: int, data_dir: Path) -> IntegrationRun:
        try:
            return uvloop.run(run_integration(plan, integration, number, data_dir, core))
        finally:
            gc.unfreeze()

    runs = runner.run_rounds(list(Integration), runner.count_rounds(options, ROUNDS), measure, describe_run)
    print(table(f"{plan.per_s:.0f} messages/s of {plan.pairs} pairs", runs, lambda run: run.paced))
    print(table(f"{plan.burst_messages} messages, 100 in flight", runs, lambda run: run.burst))
    if options.out is not None:
        measured = {"machine": machine, "plan": plan, "runs": runs}
        print(f"\nwritten: {runner.write_json(measured, options.out, FILE_NAME)}")
    return runner.exit_code(is_clean=all(run.is_clean for run in runs), is_valid=all(run.is_valid for run in runs))


def describe_run(run: IntegrationRun) -> str:
    """Return one line about a run."""
    state = "" if run.is_clean and run.is_valid else "  INVALID"
    return (
        f"round {run.round}  {run.integration:<26}{run.paced.us_per_message:8.0f} us/message paced"
        f"{run.burst.us_per_message:8.0f} in a burst{run.paced.ack.p99_ms:8.1f} ms ack p99"
        f"{run.paced.other_cores:6.2f} cores used by others{state}"
    )


def table(title: str, runs: Sequence[IntegrationRun], sample_of: Callable[[IntegrationRun], LoadSample]) -> str:
    """Return a table of one load: CPU time of a message, its difference to the first variant, and ack latencies."""
    columns = (f"CPU per message, µs: {runner.SPREAD_TITLE}", "more than without, µs", "ack p50, ms", "ack p99, ms")
    lines = [f"\n| {title} | {' | '.join(columns)} |", "|---|---|---|---|---|"]
    without = {run.round: sample_of(run).us_per_message for run in runs if run.integration is Integration.NONE}
    for integration in dict.fromkeys(run.integration for run in runs):
        measured = [(run.round, sample_of(run)) for run in runs if run.integration is integration]
        costs = spread([sample.us_per_message for _, sample in measured])
        more = spread([sample.us_per_message - without[number] for number, sample in measured])
        p50 = spread([sample.ack.p50_ms for _, sample in measured]).median
        p99 = spread([sample.ack.p99_ms for _, sample in measured]).median
        cells = (integration, runner.format_spread(costs, 0), runner.format_spread(more, 0), f"{p50:.1f}", f"{p99:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
