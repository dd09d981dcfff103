"""Delay that `chatws tap` adds to messages: 500 users, 1,000 messages per second, beside direct connections.

Each round starts a new server, and measures direct connections and the tap in turn. Latencies count from the scheduled
time of sending. The target is at most 1 ms at p99 of acks, as the median of the rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import uvloop

from benchmarks.common import runner
from benchmarks.common.pair_load import PairLoad
from benchmarks.tap.run import TapRound, WayResult, run_round
from chatws_loadtest.samples import Spread, spread

PACKAGES = ("chatws", "uvloop", "msgspec")
FILE_NAME = "tap.json"
ROUNDS = 5
QUICK_DURATION_S = 3.0
MAX_ADDED_P99_MS: Final = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code.

    0 if the target is reached, 1 if a message was lost, 3 if the load could not be set up, 98 if the generator was
    late, 99 if the target is missed.
    """
    options = _parser().parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    load = PairLoad(
        idle=0,
        conversations=options.users // 2,
        rate=options.rate / (options.users // 2),
        warmup_s=options.warmup,
        duration_s=QUICK_DURATION_S if options.quick else options.duration,
        agents=5,
        content_chars=80,
        seed=1,
    )
    machine = runner.prepare_machine(PACKAGES)
    print(f"load: {options.users} users, {options.rate:g} messages/s, {load.duration_s:g} s each way and round\n")
    rounds = runner.run_rounds(
        [load],
        runner.count_rounds(options, ROUNDS),
        lambda load, number, data_dir: uvloop.run(run_round(load, number, data_dir)),
        _describe_round,
    )
    spreads = _spreads(rounds)
    print(f"\n{f'over {len(rounds)} rounds':<28}{runner.SPREAD_TITLE:>30}")
    print(*(f"{name:<28}{runner.format_spread(values, 2):>30}" for name, values in spreads.items()), sep="\n")
    if options.out is not None:
        results = {"machine": machine, "load": asdict(load), "rounds": rounds, "spreads": spreads}
        print(f"\nwritten: {runner.write_json(results, options.out, FILE_NAME)}")
    ways = [way for row in rounds for way in (row.direct, row.tapped)]
    return runner.exit_code(
        is_clean=all(way.is_clean for way in ways),
        is_valid=all(way.is_valid for way in ways),
        is_within_targets=spreads["added to ack p99, ms"].median <= MAX_ADDED_P99_MS,
    )


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.tap", (__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--users", type=int, default=500, help="users, two in each conversation (500)")
    parser.add_argument("--rate", type=float, default=1000.0, help="messages per second in all (1000)")
    parser.add_argument("--duration", type=float, default=20.0, help="measured seconds of each way (20)")
    parser.add_argument("--warmup", type=float, default=3.0, help="seconds of load before the measurement (3)")
    runner.add_round_options(parser, ROUNDS)
    runner.add_out_option(parser, FILE_NAME)
    return parser


def _describe_round(row: TapRound) -> str:
    return "\n".join([f"round {row.number}", _describe(row.direct), _describe(row.tapped)])


def _describe(way: WayResult) -> str:
    parts = [
        f"  {way.way:<7} ack p50 {way.ack.p50_ms:.2f} p99 {way.ack.p99_ms:.2f} ms",
        f"delivery p50 {way.delivery.p50_ms:.2f} p99 {way.delivery.p99_ms:.2f} ms",
        f"generator lag p99 {way.lag.p99_ms:.2f} ms",
        f"sent {way.counts.sent}, lost {way.counts.lost}",
    ]
    if way.proxy_cores:
        cores = f"proxy {way.proxy_cores:.2f} and analysis {way.analysis_cores:.2f} cores"
        parts.append(f"{cores}, {way.tap_rss_mb:.0f} MB, skipped {way.skipped_frames} times")
    return ", ".join(parts) + ("" if way.is_valid else "  INVALID: the generator was late")


def _spreads(rounds: Sequence[TapRound]) -> dict[str, Spread]:
    return {
        "direct ack p99, ms": spread([row.direct.ack.p99_ms for row in rounds]),
        "tap ack p99, ms": spread([row.tapped.ack.p99_ms for row in rounds]),
        "added to ack p50, ms": spread([row.tapped.ack.p50_ms - row.direct.ack.p50_ms for row in rounds]),
        "added to ack p99, ms": spread([row.added_ack_ms for row in rounds]),
        "added to delivery p99, ms": spread([row.added_delivery_ms for row in rounds]),
        "proxy CPU, cores": spread([row.tapped.proxy_cores for row in rounds]),
        "analysis CPU, cores": spread([row.tapped.analysis_cores for row in rounds]),
        "tap RSS, MB": spread([row.tapped.tap_rss_mb for row in rounds]),
    }


if __name__ == "__main__":
    sys.exit(main())
