from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from chatws_loadtest import testing
from chatws_loadtest.verdict import Outcome
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = '[targets]\nlost = "== 0"\nduplicated = "== 0"\nreordered = "== 0"\ngaps = "== 0"\nunstored = "== 0"\n'


async def test_nothing_is_lost_doubled_or_swapped_whatever_fails(tmp_path: Path) -> None:
    targets = tmp_path / "targets.toml"
    targets.write_text(TARGETS)
    options = ("--scenario=faults", "--users=10", "--rate=2", "--duration=6", "--warmup=0", "--targets", str(targets))
    report = await asyncio.to_thread(testing.loadtest, *options)
    [result] = report.scenarios
    assert result.verdict.missed == (), result.balance
    assert report.outcome is Outcome.PASS
    assert len(result.marks) == 7
    assert result.failures["token_expired"] > 0
    assert result.failures["connection ended"] > 10
    assert result.balance.acked == result.balance.delivered == result.balance.sent


def test_load_test_without_a_result_is_no_report() -> None:
    with pytest.raises(testing.LoadtestFailed, match="Connection refused"):
        testing.loadtest("--url", f"http://127.0.0.1:{free_port()}", timeout_s=60)
