"""Scenario of a replay: its rooms, its metrics, and its steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chatws_loadtest.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from chatws_loadtest.replay.replay_load import ReplayLoad
    from chatws_loadtest.scenario_run import ScenarioRun

REPORT_DELAY_S = 2.0
"""Time in which load processes report their last messages."""


def replay_scenario(replay: ReplayLoad) -> Scenario:
    """Return the scenario; the number of connections is not judged, because cuts and departures are replayed."""
    return Scenario(
        "replay",
        "recorded traffic",
        SCENARIOS["steady"].metrics - {"connections"},
        partial(_run, replay=replay),
        sizes=tuple(replay.room_sizes),
    )


async def _run(run: ScenarioRun, replay: ReplayLoad) -> None:
    await run.start_sending(0.0)
    await run.timeline.hold(replay.duration_s)
    run.timeline.enter("waiting for the last messages")
    stats = run.stats
    before = -1
    # Messages that follow lost ones are late, one after the other.
    while before < stats.sent < replay.messages:
        before = stats.sent
        await run.timeline.wait_for(lambda: stats.sent >= replay.messages, replay.reply_timeout_s + REPORT_DELAY_S)
    if stats.sent < replay.messages:
        run.findings.append(f"only {stats.sent} of {replay.messages} recorded messages were sent")
