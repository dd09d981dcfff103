"""Run of the load test that signals end, with its exit code."""

from __future__ import annotations

import asyncio

from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import advise
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import OUTCOME_CODES, call_on_signals
from chatws_loadtest.results import Report
from chatws_loadtest.run_request import RunRequest
from chatws_loadtest.runner import Stopped, run
from chatws_loadtest.server_process import ServerStartFailed
from chatws_loadtest.worker_pool import LoadRefused


def run_load(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    """Run the load test, and return the report and the exit code, which is that of a signal if one was received.

    Raises:
        CommandExit: there is no report.
    """
    try:
        return asyncio.run(_run_interruptibly(request, quiet=quiet))
    except ServerStartFailed as problem:
        raise CommandExit(str(problem), ExitCode.CANNOT_CONNECT) from problem
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    except LoadRefused as problem:
        code = ExitCode.CANNOT_CONNECT if problem.code is None else ExitCode.REFUSED
        advice = "" if code is ExitCode.REFUSED or request.url is None else f"; {advise(request.options.mapping)}"
        raise CommandExit(f"the users could not connect: {problem}{advice}", code) from problem


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
