"""CPU time of one server process per message and per connection, on one core, over repeated runs.

Each run starts a new server with rates and counts lifted. Messages are sent on an open schedule, and every latency
counts from the scheduled time of sending, so that a stalled server cannot reduce its own load. A run whose generator
was late is invalid: it shows nothing about the server.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks.common import runner
from benchmarks.common.pair_load import PairLoad
from benchmarks.pairs.run import PairRun, run_once
from chatws_loadtest.samples import Spread, spread
from chatws_loadtest.server_process import reserve_core

PACKAGES = ("chatws", "aiohttp", "uvloop", "msgspec", "sqlalchemy")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code.

    0 for clean runs, 1 if a message was lost, 3 if the load could not be set up, 98 if the generator was late.
    """
    options = _parser().parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    load = PairLoad(
        idle=options.idle,
        conversations=options.conversations,
        rate=options.rate,
        warmup_s=options.warmup,
        duration_s=options.duration,
        agents=options.agents,
        content_chars=options.content_chars,
        seed=options.seed,
    )
    machine = runner.prepare_machine(PACKAGES, {"SQLite": sqlite3.sqlite_version})
    core = reserve_core()
    print(
        f"load: {load.idle} idle connections, {load.conversations} conversations at {load.rate:g} messages/s each, "
        f"{load.duration_s:g} s after {load.warmup_s:g} s of warm-up\n"
    )
    runs = runner.run_rounds(
        [load],
        options.repeats,
        lambda load, number, data_dir: uvloop.run(run_once(load, number, data_dir, core)),
        _describe_run,
        data_root=options.data_root,
    )
    spreads = _spreads(runs)
    print(f"\n{f'over {len(runs)} runs':<28}{runner.SPREAD_TITLE:>30}")
    print(*(f"{name:<28}{runner.format_spread(values, 2):>30}" for name, values in spreads.items()), sep="\n")
    if options.out is not None:
        now = datetime.now(UTC)
        results = {"at": now, "machine": machine, "load": asdict(load), "runs": runs, "spreads": spreads}
        print(f"\nwritten: {runner.write_json(results, options.out, f'pairs-{now:%Y%m%dT%H%M%SZ}.json')}")
    return runner.exit_code(is_clean=all(run.is_clean for run in runs), is_valid=all(run.is_valid for run in runs))


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.pairs", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--idle", type=int, default=500, help="customers with an idle connection (500)")
    add("--conversations", type=int, default=250, help="conversations of a customer and an agent (250)")
    add("--rate", type=float, default=1.0, help="messages per second in each conversation (1)")
    add("--duration", type=float, default=20.0, help="measured seconds (20)")
    add("--warmup", type=float, default=3.0, help="seconds of load before the measurement (3)")
    add("--repeats", type=int, default=3, help="runs, each with a new server (3)")
    add("--agents", type=int, default=5, help="agents; the conversations are divided evenly among them (5)")
    add("--content-chars", type=int, default=80, help="characters per message (80)")
    add("--seed", type=int, default=1, help="seed of the schedule's random phases (1)")
    add("--data-root", type=Path, metavar="DIR", help="parent of the servers' data directories (the system's default)")
    runner.add_out_option(parser, "pairs-TIME.json")
    return parser


def _describe_run(run: PairRun) -> str:
    counts = run.counts
    latencies = {"ack": run.ack, "delivery": run.peer, "generator lag": run.lag}
    lines = [f"run {run.round}" + ("" if run.is_valid else "  INVALID: the generator was late")]
    lines += [
        f"  {name:<14} p50 {row.p50_ms:8.2f}  p95 {row.p95_ms:8.2f}  p99 {row.p99_ms:8.2f}  max {row.max_ms:8.2f} ms"
        f"  ({row.count} samples)"
        for name, row in latencies.items()
    ]
    return "\n".join(lines) + (
        f"\n  sent {counts.sent}, acked {counts.acked}, delivered {counts.delivered}, refused {counts.refused or 0}, "
        f"unanswered {counts.unanswered}, lost {counts.lost}, duplicated {counts.duplicated}, "
        f"reordered {counts.reordered}, connections dropped {run.dropped_connections}"
        f"\n  server CPU {run.server_us_per_message:.0f} us/message; cores: server {run.server_cores:.2f}, "
        f"generator {run.generator_cores:.2f}, other {run.other_cores:.2f}"
        f"\n  per idle connection: {run.rss_kb_per_idle:.1f} kB of RSS, {run.connect_ms_per_idle:.2f} ms of CPU; "
        f"server RSS at the end {run.rss_mb:.0f} MB"
    )


def _spreads(runs: Sequence[PairRun]) -> dict[str, Spread]:
    return {
        "ack p50, ms": spread([run.ack.p50_ms for run in runs]),
        "ack p99, ms": spread([run.ack.p99_ms for run in runs]),
        "delivery p50, ms": spread([run.peer.p50_ms for run in runs]),
        "delivery p99, ms": spread([run.peer.p99_ms for run in runs]),
        "server CPU, us/message": spread([run.server_us_per_message for run in runs]),
        "RSS, kB/idle connection": spread([run.rss_kb_per_idle for run in runs]),
        "CPU, ms/connect": spread([run.connect_ms_per_idle for run in runs]),
    }


if __name__ == "__main__":
    sys.exit(main())
