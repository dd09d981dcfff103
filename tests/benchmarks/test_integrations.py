from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.engine.fast_client import FastConnection
from benchmarks.integrations.__main__ import describe_run, table
from benchmarks.integrations.measure import Integration, IntegrationPlan, run_integration

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("fork_bundled_servers")

TINY = IntegrationPlan(pairs=3, per_s=50, window_s=0.3, warmup_s=0.1, burst_messages=150, warmup_messages=100)
OFFSET = b'42["recovery_offset",'


async def test_every_event_of_the_webhook_arrives_within_the_measurement(tmp_path: Path) -> None:
    runs = []
    for integration in (Integration.NONE, Integration.WEBHOOK):
        folder = tmp_path / integration.name
        folder.mkdir()
        runs.append(await run_integration(TINY, integration, 1, folder, None))
    assert [run.is_clean for run in runs] == [True, True], runs
    assert [run.events_missing for run in runs] == [0, 0]
    rows = table("paced", runs, lambda run: run.paced).splitlines()[-2:]
    assert rows[0].startswith("| none | ")
    assert " 0 / 0 / 0 " in rows[0]
    assert rows[1].startswith(f"| {Integration.WEBHOOK} | ")
    assert "round 1" in describe_run(runs[1])


@pytest.mark.parametrize(
    "integration",
    [Integration.RECOVERY, pytest.param(Integration.WEBHOOK_STORED, marks=pytest.mark.extended)],
)
async def test_only_the_variant_with_recovery_receives_offsets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, integration: Integration
) -> None:
    received: list[bytes] = []
    parse = FastConnection.data_received

    def record(connection: FastConnection, data: bytes) -> None:
        received.append(data)
        parse(connection, data)

    monkeypatch.setattr(FastConnection, "data_received", record)
    run = await run_integration(TINY, integration, 1, tmp_path, None)
    assert run.is_clean, run
    assert any(OFFSET in data for data in received) is (integration is Integration.RECOVERY)
