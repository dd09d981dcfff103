"""Run of the load test that signals end, with its exit code."""

from __future__ import annotations

import asyncio
import sys

from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import advise
from chatws_loadtest.credentials import CredentialsMissing, ServerGone
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import OUTCOME_CODES, call_on_signals
from chatws_loadtest.results import Report
from chatws_loadtest.run_request import RunRequest
from chatws_loadtest.runner import ScenarioNotStarted, Stopped, run
from chatws_loadtest.server_process import ServerStartFailed
from chatws_loadtest.worker_pool import LoadRefused


def run_load(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    """Run the load test, and return the report and the exit code.

    The code is that of a signal if one was received, or that of the problem if a later scenario could not start.

    Raises:
        CommandExit: there is no report.
    """
    try:
        return asyncio.run(_run_interruptibly(request, quiet=quiet))
    except ScenarioNotStarted as end:
        problem = end.__cause__
        assert isinstance(problem, ServerStartFailed | CredentialsMissing | LoadRefused)
        explained = _explain(problem, request)
        print(f"{end.scenario} was not run: {explained.line}", file=sys.stderr)
        return end.report, explained.code
    except (ServerStartFailed, CredentialsMissing, LoadRefused) as problem:
        raise _explain(problem, request) from problem


def _explain(problem: ServerStartFailed | CredentialsMissing | LoadRefused, request: RunRequest) -> CommandExit:
    if isinstance(problem, ServerStartFailed | ServerGone):
        return CommandExit(str(problem), ExitCode.CANNOT_CONNECT)
    if isinstance(problem, CredentialsMissing):
        return CommandExit(str(problem), ExitCode.USAGE)
    code = ExitCode.CANNOT_CONNECT if problem.code is None else ExitCode.REFUSED
    advice = "" if code is ExitCode.REFUSED or request.url is None else f"; {advise(request.options.mapping)}"
    return CommandExit(f"the users could not connect: {problem}{advice}", code)


async def _run_interruptibly(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    """Run the load test until its end or a signal.

    The first SIGINT, SIGTERM or SIGHUP ends the run with a partial report, the second one without a report. All
    processes of the run are stopped in both cases.
    """
    task = asyncio.current_task()
    assert task is not None
    received: list[ExitCode] = []
    stopping = asyncio.Event()

    def stop(code: ExitCode) -> None:
        received.append(code)
        if stopping.is_set():
            task.cancel()
        stopping.set()

    call_on_signals(stop)
    try:
        report = await run(request, stopping, quiet=quiet)
    except (asyncio.CancelledError, Stopped):
        if not received:
            raise
        raise CommandExit("stopped before the end; there is no result", received[0]) from None
    return report, received[0] if received else OUTCOME_CODES[report.outcome]
