from __future__ import annotations

import msgspec
import pytest

from benchmarks.cluster.results import ClusterPlan, IsolationStep, Layout, host_us, remote_us
from benchmarks.cluster.run import SharedServices, run_layout
from chatws_loadtest.ledger import Balance
from chatws_loadtest.samples import percentiles
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

LAG = percentiles([1_000])


def step(rate: float, own_cores: float, others_cores: float) -> IsolationStep:
    return IsolationStep(
        others_messages_per_s=rate,
        own_messages_per_s=10,
        own_cores=own_cores,
        others_cores=others_cores,
        lag=LAG,
        counts=Balance(sent=10, acked=10),
    )


def test_cost_of_remote_messages_excludes_constant_work() -> None:
    steps = [step(100, 0.05, 0.12), step(200, 0.06, 0.14), step(400, 0.08, 0.18)]
    assert remote_us(steps) == pytest.approx(100)
    assert host_us(steps) == pytest.approx(450)


def test_late_generator_or_lost_message_makes_a_step_invalid() -> None:
    good = step(1, 1, 1)
    assert good.is_valid
    assert not msgspec.structs.replace(good, lag=percentiles([30_000])).is_valid
    assert not msgspec.structs.replace(good, counts=Balance(sent=10, acked=10, lost=1)).is_valid


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.mark.usefixtures("fork_bundled_servers")
async def test_members_on_two_servers_receive_messages_and_every_process_is_measured(
    postgres: PostgresServer, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        services = SharedServices(database_url, redis.url, postgres.pid, redis.pid)
        plan = ClusterPlan(idle=6, conversations=6, rate=10, warmup_s=0.2, window_s=1, agents=2)
        folder = tmp_path_factory.mktemp("data")
        run = await run_layout(plan, Layout.APART, 1, services, data_dir=folder, core=None)
    finally:
        redis.kill()
    assert run.counts.sent == run.counts.acked == 72
    assert run.counts.is_clean
    assert run.us_per_message > 0
    assert run.postgres_us_per_message is not None
    assert run.redis_us_per_message is not None
    assert run.peer.count > 0
