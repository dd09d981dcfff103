"""Run of a scenario file that signals end, with a report of the steps so far and an exit code."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

from chatws.exit_codes import ExitCode
from chatws_loadtest.exit_signals import OUTCOME_CODES, call_on_signals
from chatws_loadtest.scenario_file.play_options import PlayOptions
from chatws_loadtest.scenario_file.play_report import PlayReport, StepOutcome, StepResult
from chatws_loadtest.scenario_file.player import play, untried
from chatws_loadtest.scenario_file.script import Script
from chatws_loadtest.verdict import Outcome


async def play_interruptibly(path: Path, script: Script, options: PlayOptions) -> tuple[PlayReport, ExitCode]:
    """Play a file, whose content is ``script``, and return the report and the exit code.

    SIGINT, SIGTERM or SIGHUP stops the people and the server; the exit code is then the signal's. The exceptions are
    those of `play`.
    """
    task = asyncio.current_task()
    assert task is not None
    received: list[ExitCode] = []
    results: list[StepResult] = []
    started_s = time.perf_counter()

    def stop(code: ExitCode) -> None:
        received.append(code)
        task.cancel()

    def record(step: StepResult) -> None:
        results.append(step)
        options.on_step(step)

    call_on_signals(stop)
    try:
        report = await play(path, dataclasses.replace(options, on_step=record))
    except asyncio.CancelledError:
        if not received:
            raise
        has_failed = any(step.outcome is StepOutcome.FAIL for step in results)
        report = PlayReport(
            file=str(path),
            url=options.url or "",
            bundled_server=options.url is None,
            outcome=Outcome.FAIL if has_failed else Outcome.INVALID,
            duration_s=time.perf_counter() - started_s,
            steps=[*results, *map(untried, script.steps[len(results) :])],
            stopped=True,
        )
    return report, received[0] if received else OUTCOME_CODES[report.outcome]
