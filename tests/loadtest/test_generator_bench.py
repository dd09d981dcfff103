from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatws_loadtest.generator_bench.trial import Contender, Folders, Size, run_trial

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("contender", [Contender.OURS, Contender.LOCUST])
async def test_contender_sends_on_schedule_and_all_of_it_is_acked(contender: Contender, tmp_path: Path) -> None:
    trial = await run_trial(contender, Size(users=4, seconds=2.0), Folders(tmp_path, tmp_path), None)
    assert trial.users == 4
    assert trial.sent == trial.ack.count == 8
    assert trial.bare.count > 0
    assert trial.ms_per_connect > 0
