"""Run of a tap's proxy beside its analysis: start, signals, and the end of either process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chatws.exit_codes import ExitCode
from chatws_loadtest.credentials import tls_context
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import call_on_signals
from chatws_loadtest.tap.analysis_process import AnalysisProcess
from chatws_loadtest.tap.masking import mask_url
from chatws_loadtest.tap.tap_server import TapOptions, TapServer

_REGULAR_ENDS: Final = frozenset({ExitCode.DONE, ExitCode.FAILED, ExitCode.BROKEN_PIPE})
"""Exit codes of the analysis: after the end of the tap, and after a failure of its output."""


async def run_tap(program: str, options: TapOptions, ca_file: Path | None, analysis: AnalysisProcess) -> ExitCode:
    """Run a tap until a signal arrives or its output has ended; return the exit code.

    If the analysis is killed, the tap forwards further, and its code at the end is 1.

    Raises:
        CommandExit: the tap could not start.
    """
    ended: asyncio.Future[ExitCode] = asyncio.get_running_loop().create_future()
    call_on_signals(lambda code: None if ended.done() else ended.set_result(code))
    watching = asyncio.create_task(_watch(program, analysis, ended))
    try:
        async with _open_tap(options, ca_file, analysis.observations) as server:
            _announce(program, server, options)
            code = await ended
    finally:
        is_reported = not watching.cancel()
        status = await analysis.end()
        if not is_reported:
            _report_death(program, status, "the last records are missing")
    return code if status in {ExitCode.DONE, ExitCode.BROKEN_PIPE} else ExitCode.FAILED


async def _watch(program: str, analysis: AnalysisProcess, ended: asyncio.Future[ExitCode]) -> None:
    """End the tap when its output has ended; report an analysis that died."""
    status = await analysis.wait()
    if status in {ExitCode.BROKEN_PIPE, ExitCode.FAILED}:
        if not ended.done():
            ended.set_result(ExitCode(status))
        return
    _report_death(program, status, "traffic is still forwarded, without records")


def _report_death(program: str, status: int, consequence: str) -> None:
    if status in _REGULAR_ENDS:
        return
    reason = signal.Signals(-status).name if status < 0 else f"exit code {status}"
    print(f"{program}: the analysis has ended ({reason}); {consequence}", file=sys.stderr, flush=True)


@asynccontextmanager
async def _open_tap(options: TapOptions, ca_file: Path | None, observations: int) -> AsyncIterator[TapServer]:
    """Run the proxy of a tap, which passes what it forwards to a stream.

    Raises:
        CommandExit: the port or the certificates cannot be used.
    """
    try:
        tls = tls_context(options.url, ca_file) if options.url.startswith("https:") else None
    except OSError as problem:
        os.close(observations)
        raise CommandExit(f"--ca-file {ca_file} cannot be used: {problem.strerror}", ExitCode.USAGE) from problem
    server = TapServer(options, tls, observations)
    try:
        await server.__aenter__()
    except OSError as problem:
        # The numbers of a failed look-up of the name are not those of `os.strerror`.
        is_lookup = isinstance(problem, socket.gaierror)
        reason = os.strerror(problem.errno) if problem.errno and not is_lookup else problem.strerror or str(problem)
        line = f"port {options.port} of {options.host} cannot be used: {reason}"
        raise CommandExit(line, ExitCode.USAGE) from problem
    try:
        yield server
    finally:
        await server.__aexit__()


def _announce(program: str, server: TapServer, options: TapOptions) -> None:
    """Print the address for clients on standard error."""
    line = f"{program}: {server.url} forwards to {mask_url(options.url)}; Ctrl-C ends it"
    print(line, file=sys.stderr, flush=True)
