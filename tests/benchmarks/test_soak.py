"""Short runs of the soak scenarios: retained resources count here, durations in ``make soak``."""

from __future__ import annotations

import pytest

from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.__main__ import SCENARIOS
from benchmarks.soak.plan import SoakPlan

PLAN = SoakPlan(
    readers=4,
    sockets=400,
    handshakes=300,
    address_handshakes=300,
    addresses=60,
    slow_heads=300,
    idle=50,
    idle_s=1.0,
    churn_s=8.0,
    churn_per_s=12.5,
    rounds=4,
    round_clients=120,
    cached_bytes=0,
    bystander_acks=100,
    bystander_pause_s=0.2,
    slack=100.0,
    settings={
        "authenticate_ms": 3_000,
        "http_request_ms": 3_000,
        "unauthenticated": 200,
        "write_stall_ms": 1_000,
        "presence_grace_ms": 200,
    },
)


@pytest.mark.usefixtures("fork_bundled_servers")
@pytest.mark.parametrize("name", SCENARIOS)
async def test_server_retains_no_resources(name: str) -> None:
    measurements = await SCENARIOS[name](PLAN)
    assert measurements
    assert [str(measurement) for measurement in measurements if not measurement.is_within_bound] == []


def test_measurement_beyond_its_bound_is_marked() -> None:
    assert not BoundedMeasurement("delay", 101, "ms", 100).is_within_bound
    assert str(BoundedMeasurement("delay", 101, "ms", 100)).startswith("!")
    assert BoundedMeasurement("delay", 100, "ms", 100).is_within_bound
    assert BoundedMeasurement("idle", 1e9, "B").is_within_bound
