"""Stages of a run against a real server: users are added and removed by whole rooms (8 s)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from chatws_loadtest.ipc import Stage
from chatws_loadtest.options import find_credentials
from chatws_loadtest.run_request import RunOptions, RunRequest
from chatws_loadtest.runner import run
from chatws_loadtest.scenarios import SCENARIOS
from chatws_loadtest.stages import run_stages
from chatws_loadtest.thresholds import delivery_thresholds
from tests.support.guide_server import GuideOnlyServer

if TYPE_CHECKING:
    import pytest

    from tests.loadtest.command import LoadtestCommand

STAGES = [
    Stage(users=4, rate=4, duration_s=1),
    Stage(users=12, rate=4, duration_s=3),
    Stage(users=8, rate=8, duration_s=3),
]


async def test_stages_add_and_remove_whole_rooms_without_losing_messages(
    loadtest: LoadtestCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    loadtest.make_credentials(6)
    staged = replace(SCENARIOS["steady"], start_users=lambda _: 4, run_steps=partial(run_stages, stages=STAGES))
    monkeypatch.setitem(SCENARIOS, "steady", staged)
    options = RunOptions(
        users=12,
        rate=4.0,
        duration_s=None,
        warmup_s=0.1,
        drain_s=5.0,
        connects_per_s=20.0,
        processes=2,
        seed=1,
        csv_dir=None,
        ca_file=None,
    )
    server = GuideOnlyServer()
    await server.start()
    try:
        credentials = find_credentials(None, loadtest.folder / "tokens", loadtest.folder / "sessions")
        request = RunRequest(["steady"], options, delivery_thresholds(), server.url, credentials, [])
        report = await run(request, asyncio.Event(), quiet=True)
    finally:
        await server.stop()
    [result] = report.scenarios
    connections = [second.connections for second in result.series if second.at > 0]
    assert (connections[0], max(connections), connections[-1]) == (4, 12, 8)
    assert result.verdict.missed == ()
    assert result.balance.sent == result.balance.acked == result.balance.delivered > 50
    assert [mark.what for mark in result.marks] == ["4 users, 4/s each", "12 users, 4/s each", "8 users, 8/s each"]
