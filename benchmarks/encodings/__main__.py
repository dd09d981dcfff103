"""Comparison of encodings for the traffic of a chat: bytes and CPU time of a packet, memory of a connection."""

from __future__ import annotations

import sys

from benchmarks.common import runner
from benchmarks.encodings.measure import (
    EncodingResult,
    measure_batching,
    measure_memory,
    measure_receiving,
    measure_sending,
    share_above,
)
from benchmarks.encodings.traffic import make_traffic
from chatws_loadtest.samples import spread

FILE_NAME = "encodings.json"
ROUNDS = 5
MESSAGES = 5_000
QUICK_MESSAGES = 500
THRESHOLD_BYTES = 1024
"""Size from which Socket.IO's server for Node compresses a message, if compression is enabled."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = runner.make_parser("benchmarks.encodings", __doc__ or "")
    runner.add_round_options(parser, ROUNDS)
    runner.add_out_option(parser, FILE_NAME)
    options = parser.parse_args(arguments)
    machine = runner.prepare_machine(("msgspec",))
    traffic = make_traffic(QUICK_MESSAGES if options.quick else MESSAGES)
    rounds = [
        [*measure_sending(traffic), *measure_receiving(traffic), *measure_batching(traffic)]
        for _ in range(runner.count_rounds(options, ROUNDS))
    ]
    print(f"\n| encoding | bytes | CPU per packet, µs: {runner.SPREAD_TITLE} |\n|---|---|---|")
    for results in zip(*rounds, strict=True):
        print(_row(results))
    memory_kib = measure_memory()
    share = share_above(traffic, THRESHOLD_BYTES)
    print(f"\nmemory of compression with context: {memory_kib:.0f} KiB per connection")
    print(f"packets above {THRESHOLD_BYTES} bytes: {share:.1%}")
    if options.out is not None:
        measured = {"machine": machine, "rounds": rounds, "memory_kib": memory_kib, "share_above_threshold": share}
        print(f"\nwritten: {runner.write_json(measured, options.out, FILE_NAME)}")
    return runner.exit_code()


def _row(results: tuple[EncodingResult, ...]) -> str:
    times = spread([result.cpu_us for result in results])
    return f"| {results[0].encoding} | {results[0].bytes:.0f} | {runner.format_spread(times, 2)} |"


if __name__ == "__main__":
    sys.exit(main())
