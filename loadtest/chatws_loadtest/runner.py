"""Runner of the load test: runs the scenarios one after another and makes one report of their results."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from chatws_loadtest.conclusion import conclude
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.machine import describe_machine, describe_software
from chatws_loadtest.progress import show_progress
from chatws_loadtest.replay.scenario import replay_scenario
from chatws_loadtest.results import Report, ScenarioResult
from chatws_loadtest.scenario_setup import provide_server, set_up
from chatws_loadtest.scenarios import SCENARIOS, Scenario
from chatws_loadtest.server_process import ServerStartFailed, reserve_core
from chatws_loadtest.stats_collector import StatsCollector
from chatws_loadtest.timeline import Timeline
from chatws_loadtest.verdict import Outcome, worst
from chatws_loadtest.worker_pool import LoadRefused

if TYPE_CHECKING:
    from chatws_loadtest.run_request import RunRequest
    from chatws_loadtest.scenario_run import ScenarioRun

T = TypeVar("T")
PACKAGES: Final = ("chatws", "locust", "gevent", "hdrhistogram", "msgspec")


class Stopped(Exception):
    """The run was stopped before it measured anything."""


class ScenarioNotStarted(Exception):
    """A scenario could not start, for the reason in ``__cause__``; ``report`` has the results of those before it."""

    def __init__(self, scenario: str, report: Report) -> None:
        super().__init__(scenario, report)
        self.scenario = scenario
        self.report = report


async def run(request: RunRequest, stop: asyncio.Event, *, quiet: bool) -> Report:
    """Run every scenario; once ``stop`` is set, end within seconds with a report of the results so far.

    Raises:
        Stopped: there are no results yet.
        ScenarioNotStarted: one of the following happened after the first scenario.
        ServerStartFailed: the bundled server did not start.
        CredentialsMissing: there are not enough credentials.
        LoadRefused: no user could connect.
    """
    started_at = datetime.now(UTC)
    core = reserve_core() if request.url is None and _spare_cores() >= request.options.processes else None
    results: list[ScenarioResult] = []
    numbers: Counter[str] = Counter()
    for name in [*request.scenarios] * request.repeat:
        if stop.is_set():
            break
        numbers[name] += 1
        replay = request.options.replay
        scenario = SCENARIOS[name].with_profile(request.options) if replay is None else replay_scenario(replay)
        try:
            result = await _run_scenario(request, scenario, core, stop, number=numbers[name], quiet=quiet)
        except (ServerStartFailed, CredentialsMissing, LoadRefused) as problem:
            if not results:
                raise
            raise ScenarioNotStarted(name, _make_report(request, started_at, results, is_partial=True)) from problem
        if result is not None:
            results.append(result)
    if not results:
        raise Stopped
    return _make_report(request, started_at, results, is_partial=stop.is_set())


def _make_report(
    request: RunRequest, started_at: datetime, results: list[ScenarioResult], *, is_partial: bool
) -> Report:
    partial = [Outcome.INVALID] if is_partial else []
    return Report(
        started_at=started_at,
        command=request.command,
        url=request.url or "bundled",
        bundled_server=request.url is None,
        machine=describe_machine(),
        versions=describe_software(PACKAGES),
        seed=request.options.seed,
        outcome=worst([*(result.verdict.outcome for result in results), *partial]),
        targets=[item.text for item in request.thresholds],
        scenarios=results,
        partial=is_partial,
    )


async def _run_scenario(
    request: RunRequest,
    scenario: Scenario,
    core: int | None,
    stop: asyncio.Event,
    *,
    number: int,
    quiet: bool,
) -> ScenarioResult | None:
    """Run a scenario; return None if it was stopped before every user was connected."""
    users = sum(scenario.room_sizes(request.options.users))
    timeline = Timeline(scenario.name, users, StatsCollector(request.options.processes))
    async with (
        provide_server(request, core) as access,
        AsyncExitStack() as stack,
        show_progress(timeline, quiet=quiet),
    ):
        run = await _run_until(stop, set_up(stack, scenario, request, access, timeline, number=number))
        if run is None:
            return None
        # Without two members of a room there is no load, and the result is that the users could not connect.
        is_complete = not run.load.pool.complete_rooms or await _run_steps(run, scenario, stop)
        return await conclude(run, scenario, early=not is_complete)


async def _run_steps(run: ScenarioRun, scenario: Scenario, stop: asyncio.Event) -> bool:
    """Run the scenario's steps; return False if a stop was requested, or a load process was lost, before the end."""
    running = asyncio.create_task(scenario.run_steps(run))
    ends = [asyncio.create_task(stop.wait()), asyncio.create_task(run.load.pool.broken.wait())]
    try:
        await asyncio.wait({running, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        return running.done()
    finally:
        await _cancel(running, *ends)


async def _run_until(stop: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """Run something unless ``stop`` is set first: then cancel it and return None."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        await _cancel(working, stopping)


async def _cancel(*tasks: asyncio.Task[T] | asyncio.Task[bool]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _spare_cores() -> int:
    return len(os.sched_getaffinity(0)) - 1
