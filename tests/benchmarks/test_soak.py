"""The soak's scenarios in short: what is lost or kept counts here, seconds count in ``make soak``."""

from __future__ import annotations

import pytest

from benchmarks.soak.__main__ import SCENARIOS
from benchmarks.soak.measurements import SoakMeasurement, SoakPlan

PLAN = SoakPlan(
    readers=4,
    sockets=400,
    handshakes=300,
    idle=50,
    idle_s=1.0,
    churn_s=20.0,
    slack=10.0,
    settings={"authenticate_ms": 3_000, "write_stall_ms": 1_000, "presence_grace_ms": 200},
)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_server_gives_back_all_it_held(name: str) -> None:
    figures = await SCENARIOS[name](PLAN)
    assert figures
    assert [str(figure) for figure in figures if not figure.is_good] == []


def test_figure_beyond_its_bound_is_marked() -> None:
    assert not SoakMeasurement("stall", 101, "ms", 100).is_good
    assert str(SoakMeasurement("stall", 101, "ms", 100)).startswith("!")
    assert SoakMeasurement("stall", 100, "ms", 100).is_good
    assert SoakMeasurement("idle", 1e9, "B").is_good
