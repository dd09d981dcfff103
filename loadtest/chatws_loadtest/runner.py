"""A whole run: the scenarios one after another, on the bundled server or on somebody's, into one report."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatws_loadtest.credentials import Credentials
from chatws_loadtest.machine import describe_machine, describe_software
from chatws_loadtest.progress import watch
from chatws_loadtest.results import Report, ScenarioResult
from chatws_loadtest.scenario_run import FINISHING, RunOptions, ScenarioRun
from chatws_loadtest.scenarios import SCENARIOS, Scenario
from chatws_loadtest.server_process import ServerUnderTest, reserve_core
from chatws_loadtest.thresholds import Threshold
from chatws_loadtest.verdict import Outcome, worst

if TYPE_CHECKING:
    from rich.console import Console

PACKAGES: Final = ("chatws", "locust", "gevent", "hdrhistogram", "msgspec")


class Stopped(Exception):
    """The run was stopped before anything was measured."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run; without a URL the bundled server is started for each scenario."""

    scenarios: Sequence[str]
    options: RunOptions
    targets: Sequence[Threshold]
    url: str | None
    credentials: Credentials
    command: list[str]
    repeat: int = 1


async def run(request: RunRequest, console: Console, stop: asyncio.Event, *, quiet: bool) -> Report:
    """Run every scenario; once ``stop`` is set, end within seconds with a report of what there is.

    Raises:
        Stopped: there is nothing yet to report.
        SubjectFailed: the bundled server did not start.
        PeopleMissing: there are not enough credentials.
        LoadRefused: the users could not connect.
    """
    started_at = datetime.now(UTC)
    core = reserve_core() if request.url is None and _spare_cores() >= request.options.processes else None
    results: list[ScenarioResult] = []
    turns: Counter[str] = Counter()
    for name in [*request.scenarios] * request.repeat:
        if stop.is_set():
            break
        turns[name] += 1
        result = await _run_scenario(request, name, core, console, stop, turn=turns[name], quiet=quiet)
        if result is not None:
            results.append(result)
    if not results:
        raise Stopped
    partial = [Outcome.INVALID] if stop.is_set() else []
    return Report(
        started_at=started_at,
        command=request.command,
        url=request.url or "bundled",
        bundled_server=request.url is None,
        machine=describe_machine(),
        versions=describe_software(PACKAGES),
        seed=request.options.seed,
        outcome=worst([*(result.verdict.outcome for result in results), *partial]),
        targets=[target.text for target in request.targets],
        scenarios=results,
        partial=bool(partial),
    )


async def _run_scenario(
    request: RunRequest, name: str, core: int | None, console: Console, stop: asyncio.Event, *, turn: int, quiet: bool
) -> ScenarioResult | None:
    async with AsyncExitStack() as stack:
        subject: ServerUnderTest | None = None
        url, credentials = request.url, request.credentials
        if url is None:
            data_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="chatws-loadtest-"))
            subject = ServerUnderTest(Path(data_dir), core)
            await subject.start()
            stack.push_async_callback(subject.stop)
            url, credentials = subject.url, Credentials(keys=subject.keys)
        arena = ScenarioRun(name, url, credentials, request.options, subject, turn=turn)
        stack.push_async_callback(arena.close)
        await stack.enter_async_context(watch(arena, console, quiet=quiet))
        return await _play(arena, SCENARIOS[name], request.targets, stop)


async def _play(
    arena: ScenarioRun, scenario: Scenario, targets: Sequence[Threshold], stop: asyncio.Event
) -> ScenarioResult | None:
    """Play to the end, until told to stop, or until the load is broken; None when there is nothing to conclude from."""
    playing = asyncio.create_task(scenario.play(arena, targets))
    stopping, breaking = asyncio.create_task(stop.wait()), asyncio.create_task(arena.broken.wait())
    try:
        await asyncio.wait({playing, stopping, breaking}, return_when=asyncio.FIRST_COMPLETED)
        # Who cannot even connect says so itself.
        is_refused = breaking.done() and not arena.has_begun
        if playing.done() or is_refused or arena.phase == FINISHING:
            return await playing
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return await arena.conclude(targets, scenario.feeds, early=True) if arena.has_begun else None
    finally:
        tasks = (playing, stopping, breaking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _spare_cores() -> int:
    return len(os.sched_getaffinity(0)) - 1
