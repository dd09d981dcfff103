"""Stages of a scenario run: parts with a constant number of users and a constant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatws_loadtest.results import StageResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.ipc import Stage
    from chatws_loadtest.scenario_run import ScenarioRun

REPORT_DELAY_S: Final = 2.0
"""Time in which load processes report a user that connected just before the end of a stage."""


async def run_stages(run: ScenarioRun, stages: Sequence[Stage]) -> None:
    """Run one stage after another; the first one begins with the warm-up, with the users that are connected.

    The rate changes at once, the number of users by whole rooms, at the rate of new connections. A scenario of stages
    prepares the users of its largest stage and connects those of the first one (`Scenario.start_users`). The number of
    connections is not judged before the last stage has ended.
    """
    not_judged = {item.text for item in run.thresholds if item.metric == "connections"} - run.undecided
    run.undecided |= not_judged
    run.load.start_stage(stages[0].users, stages[0].rate)
    await run.start_sending(run.options.warmup_s)
    for stage in stages:
        await _run_stage(run, stage)
    run.undecided -= not_judged


async def _run_stage(run: ScenarioRun, stage: Stage) -> None:
    users, stats = run.load.start_stage(stage.users, stage.rate), run.stats
    run.timeline.phase = f"{users} users, {stage.rate:g} messages/s each"
    run.timeline.mark(f"{users} users, {stage.rate:g}/s each")
    await run.timeline.hold(stage.duration_s)
    await run.timeline.wait_for(lambda: stats.connections >= users, REPORT_DELAY_S)
    connections = min(users, stats.connections)
    run.stages.append(StageResult(users=users, rate=stage.rate, duration_s=stage.duration_s, connections=connections))
