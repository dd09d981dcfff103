"""Command line of ``chatws check-client``."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws_loadtest.check.check_output import print_check, put_out_checks
from chatws_loadtest.check.registry import CheckResult
from chatws_loadtest.cli_base import make_app, run_app
from chatws_loadtest.client_check.checked_client import CheckedClient, ClientCommand, ExternalClient
from chatws_loadtest.client_check.errors import ClientNotReady
from chatws_loadtest.client_check.registry import Situation
from chatws_loadtest.client_check.runner import ClientRunOptions, all_situations, run_situations
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import call_on_signals
from chatws_loadtest.text_summary import printable

EXTERNAL_START_S = 120.0
"""Time in which the user has to start a client without COMMAND."""

_PORT_ERRORS: Final = frozenset({errno.EADDRINUSE, errno.EACCES})

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws check-client")


@app.command(
    epilog="Example: chatws check-client -- node my-client.mjs",
    # The options of COMMAND are not those of this command.
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
)
def check_client(  # noqa: PLR0917  these are options, never positional
    command: Annotated[
        list[str] | None, typer.Argument(help="Command that runs the client; default: wait for one.", metavar="COMMAND")
    ] = None,
    url_env: Annotated[
        str, typer.Option(help="Environment variable that the command gets the server's URL in.", metavar="NAME")
    ] = "CHATWS_URL",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Prefix of the names of situations to run, e.g. ack; may be repeated.", metavar="PREFIX"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of clients that run at once.", metavar="N")] = 4,
    port: Annotated[
        int,
        typer.Option(min=0, help="Port of the server, if there is no COMMAND; default: a free one.", metavar="PORT"),
    ] = 0,
    slack: Annotated[
        float,
        typer.Option(
            metavar="X", min=1, max=100, callback=require_finite, help="Factor of the time limits, for a slow client."
        ),
    ] = 1.0,
    junit: Annotated[Path | None, typer.Option(help="File for the results as JUnit XML.", metavar="FILE")] = None,
    *,
    as_list: Annotated[bool, typer.Option("--list", help="List the situations, and run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a client: a server that behaves, then injects faults, and judges the client by what it sends.

    The client has to connect, join a conversation and send a message at least once a second. Exit codes: 0 no
    situation failed, 1 one failed, 2 wrong usage, 3 the client does not connect and send messages.
    """
    situations = [row for row in all_situations() if not only or row.name.startswith(tuple(only))]
    if not url_env or "=" in url_env:
        raise CommandExit(f"--url-env {url_env!r} is not the name of a variable", ExitCode.USAGE)
    if not situations:
        raise CommandExit(f"no situation begins with {' or '.join(only or [])}", ExitCode.USAGE)
    if as_list:
        for row in situations:
            print(f"{row.name:<24}  {row.what}")
        return
    # The engine logs the faults of the client, which are in the results.
    logging.disable()
    make_client: Callable[[], CheckedClient]
    if command:
        make_client, options = partial(ClientCommand, command, url_env), ClientRunOptions(jobs=jobs, slack=slack)
    else:
        options = ClientRunOptions(port=port, start_s=EXTERNAL_START_S, slack=slack)
        make_client = partial(ExternalClient, _announce)
    printer: Callable[[CheckResult], None] = (lambda _: None) if as_json else print_check
    try:
        results = asyncio.run(_run_until_signal(situations, make_client, printer, options))
    except ClientNotReady as problem:
        raise CommandExit(str(problem), ExitCode.CANNOT_CONNECT) from problem
    except OSError as problem:
        if command and problem.filename is not None:
            line = f"{command[0]} cannot be started: {problem.strerror}"
        elif problem.errno in _PORT_ERRORS:
            line = f"port {port} cannot be used: {os.strerror(problem.errno)}"
        else:
            raise  # an error of the output
        raise CommandExit(line, ExitCode.USAGE) from problem
    subject = printable(shlex.join(command)) if command else "client"
    raise typer.Exit(put_out_checks("check-client", subject, results, junit, as_json=as_json))


async def _run_until_signal(
    situations: list[Situation],
    make_client: Callable[[], CheckedClient],
    on_result: Callable[[CheckResult], None],
    options: ClientRunOptions,
) -> list[CheckResult]:
    task = asyncio.current_task()
    assert task is not None
    received: list[ExitCode] = []

    def stop(code: ExitCode) -> None:
        received.append(code)
        task.cancel()

    call_on_signals(stop)
    try:
        return await run_situations(situations, make_client, on_result, options)
    except asyncio.CancelledError:
        if not received:
            raise
        raise CommandExit("stopped before the end", received[0]) from None


def _announce(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
