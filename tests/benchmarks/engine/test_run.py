from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks.engine.__main__ import main
from benchmarks.engine.implementations import ServerImplementation
from benchmarks.engine.results import EngineRow
from benchmarks.engine.run import EnginePlan, run_growth, run_loads

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("fork_bundled_servers")

TINY = EnginePlan(
    window_s=0.3,
    warmup_s=0.1,
    idle_warmup=1,
    idle=2,
    pairs=3,
    warmup_messages=4,
    pairs_per_s=50,
    pairs_in_flight=2,
    fanout_rooms=1,
    fanout_members=4,
    fanout_in_flight=1,
    growth_pairs=2,
    growth_per_s=50,
    growth_steps=(0, 2),
    growth_window_s=0.3,
)


@pytest.mark.parametrize("implementation", [ServerImplementation.CHATWS, ServerImplementation.STOCK])
async def test_every_load_reaches_every_member_and_ends_without_errors(
    implementation: ServerImplementation, tmp_path: Path
) -> None:
    run = await run_loads(TINY, implementation, 1, tmp_path, None)
    assert run.samples.keys() == {"paced", "saturated", "fan-out"}
    for sample in run.samples.values():
        assert not sample.errors.any
        assert sample.ack.count > 0
    assert run.fanout is not None
    assert run.fanout.peer.count >= 3 * (run.fanout.ack.count - 1)
    assert run.idle is not None
    assert run.dropped_connections == 0


async def test_only_the_selected_rows_are_measured(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(TINY, rows=(EngineRow.FANOUT,))
    run = await run_loads(plan, ServerImplementation.STOCK, 1, tmp_path, None)
    assert run.samples.keys() == {"fan-out"}
    assert run.idle is None


async def test_growth_adds_idle_connections_step_by_step(tmp_path: Path) -> None:
    growth = await run_growth(TINY, ServerImplementation.CHATWS_MEMORY, tmp_path, None)
    assert [step.idle_connections for step in growth.steps] == [0, 2]
    for step in growth.steps:
        assert not step.paced.errors.any
        assert step.paced.ack.count > 0


def test_other_version_without_its_program_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--servers", "chatws,chatws-baseline"])
    assert "chatws-baseline needs --baseline" in capsys.readouterr().err
