"""Stages of a scenario run: parts with a constant number of users and a constant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.ipc import Stage
    from chatws_loadtest.scenario_run import ScenarioRun


async def run_stages(run: ScenarioRun, stages: Sequence[Stage]) -> None:
    """Run one stage after another; the first one begins with the warm-up, with the users that are connected.

    The rate changes at once, the number of users by whole rooms, at the rate of new connections. A scenario of stages
    prepares the users of its largest stage and connects those of the first one (`Scenario.start_users`).
    """
    await run.start_sending(run.options.warmup_s)
    for stage in stages:
        run.timeline.phase = f"{stage.users} users, {stage.rate:g} messages/s each"
        run.timeline.mark(f"{stage.users} users, {stage.rate:g}/s each")
        run.load.start_stage(stage.users, stage.rate)
        await run.timeline.hold(stage.duration_s)
