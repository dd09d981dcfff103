"""Measurement of the terminals' response times and memory, compared with their targets."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.common import runner
from benchmarks.terminal.long_conversation import measure_long_conversation
from benchmarks.terminal.startup import measure_startup

FILE_NAME = "terminal.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0, 3 if the server did not start, 99 if a target was missed."""
    parser = runner.make_parser("benchmarks.terminal", __doc__ or "")
    runner.add_out_option(parser, FILE_NAME)
    options = parser.parse_args(arguments)
    return runner.run_guarded(lambda: _measure(options.out))


def _measure(folder: Path | None) -> int:
    os.environ.pop("NO_COLOR", None)
    runner.prepare_machine(("chatws", "textual"))
    measurements = [*asyncio.run(measure_long_conversation()), *asyncio.run(measure_startup())]
    print(*measurements, sep="\n")
    if folder is not None:
        print(f"\nwritten: {runner.write_json(measurements, folder, FILE_NAME)}")
    return runner.exit_code(is_within_targets=all(measurement.is_within_bound for measurement in measurements))


if __name__ == "__main__":
    sys.exit(main())
