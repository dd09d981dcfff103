"""Short rounds of random faults, with fixed seeds; ``make soak-cluster`` runs twenty longer ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from benchmarks.faults.__main__ import describe_round
from benchmarks.faults.environment import FaultEnvironment
from benchmarks.faults.rounds import FaultPlan, run_round
from benchmarks.faults.schedule import Part, make_schedule
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import PostgresServer
    from tests.support.redis import RedisServer

PLAN = FaultPlan(duration_s=8.0, conversations=6)
SEED = 54_082
FURTHER_SEEDS = (17, 34)


def test_seed_breaks_each_process_and_a_link() -> None:
    broken = {fault.part for fault in make_schedule(SEED, PLAN.duration_s)}
    assert broken == {Part.SERVER_1, Part.POSTGRES, Part.REDIS, Part.NGINX, Part.SERVER_1_TO_POSTGRES}


@pytest.mark.usefixtures("fork_bundled_servers")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seeds", [(SEED,), pytest.param(FURTHER_SEEDS, marks=pytest.mark.extended)])
async def test_every_message_is_accounted_for_after_random_faults(
    tmp_path: Path, postgres: PostgresServer, redis: RedisServer, seeds: tuple[int, ...]
) -> None:
    for program in ("nginx", "openssl"):
        require_tool(program, f"apt install {program}")
    database_url = await asyncio.to_thread(postgres.new_database)
    async with FaultEnvironment(tmp_path, postgres, redis, database_url) as environment:
        for seed in seeds:
            result = await run_round(environment, seed, PLAN)
            assert result.sent
            assert not result.violations, describe_round(result, PLAN)
