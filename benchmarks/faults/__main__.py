"""Rounds of random faults of two servers, PostgreSQL, Redis, nginx with TLS, and the network between them.

A seed determines the faults and their times. Clients chat meanwhile; then every message is accounted for.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.common import runner
from benchmarks.faults.account import MAX_REPORTED
from benchmarks.faults.environment import FaultEnvironment
from benchmarks.faults.rounds import FaultPlan, FaultRound, run_round
from tools.services.postgres import PostgresProcess
from tools.services.redis import RedisProcess

FILE_NAME: Final = "faults.json"
DEFAULT_SEEDS: Final = "1-20"


def main(arguments: list[str] | None = None) -> int:
    """Run the rounds and return the exit code: 0, 1 if a round failed, 3 if the environment could not start."""
    options = _parser().parse_args(arguments)
    return runner.run_guarded(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    runner.prepare_machine(("chatws", "aiohttp", "uvloop", "asyncpg"))
    plan = FaultPlan(duration_s=options.seconds, conversations=options.conversations)
    rounds = asyncio.run(_run_rounds(options.seeds, plan))
    failed = [one.seed for one in rounds if one.violations]
    print(f"\n{len(rounds) - len(failed)} of {len(rounds)} rounds passed, {sum(one.sent for one in rounds)} messages")
    if options.out is not None:
        print(f"written: {runner.write_json(rounds, options.out, FILE_NAME)}")
    return runner.exit_code(is_clean=not failed)


async def _run_rounds(seeds: Sequence[int], plan: FaultPlan) -> list[FaultRound]:
    """Run the rounds in one environment; after a failed round in a new one, which nothing has disturbed."""
    rounds: list[FaultRound] = []
    remaining = list(seeds)
    while remaining:
        async with _started_environment() as environment:
            while remaining:
                result = await run_round(environment, remaining.pop(0), plan)
                rounds.append(result)
                print(describe_round(result, plan), flush=True)
                if result.violations:
                    break
    return rounds


def describe_round(result: FaultRound, plan: FaultPlan) -> str:
    """Return the result of a round; if it failed with its faults, violations, and the command that repeats it."""
    if not result.violations:
        return str(result)
    command = f"python -m benchmarks.faults --seeds {result.seed}"
    command += f" --seconds {plan.duration_s:g} --conversations {plan.conversations}"
    more = len(result.violations) - MAX_REPORTED
    lines = [*result.faults, *(f"! {line}" for line in result.violations[:MAX_REPORTED])]
    lines += [f"! and {more} more"] * (more > 0)
    return "\n    ".join([str(result), *lines, f"repeat it with: {command}"])


@asynccontextmanager
async def _started_environment() -> AsyncIterator[FaultEnvironment]:
    with tempfile.TemporaryDirectory(prefix="chatws-faults-") as folder:
        redis_folder = Path(folder) / "redis"
        redis_folder.mkdir()
        postgres, redis = PostgresProcess(), RedisProcess(redis_folder)
        try:
            postgres.start()
            redis.start()
            async with FaultEnvironment(Path(folder), postgres, redis, postgres.url()) as environment:
                yield environment
        finally:
            redis.kill()
            postgres.close()


def _parse_seeds(text: str) -> list[int]:
    """Parse seeds such as ``3`` or ``1-20,25``."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _parser() -> argparse.ArgumentParser:
    parser = runner.make_parser("benchmarks.faults", __doc__ or "")
    add = parser.add_argument
    add("--seeds", type=_parse_seeds, default=DEFAULT_SEEDS, help=f"such as 7 or 1-5,9 ({DEFAULT_SEEDS})")
    add("--seconds", type=float, default=FaultPlan().duration_s, help="time with faults in each round (15)")
    add("--conversations", type=int, default=FaultPlan().conversations, help="number of conversations (8)")
    runner.add_out_option(parser, FILE_NAME)
    return parser


if __name__ == "__main__":
    sys.exit(main())
