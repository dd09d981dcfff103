"""The ``chatws loadtest`` command: its options, and the exit code that says what came of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from chatws_loadtest.cli_base import AllowRemote, CaFile, JwtSecretFile, Sessions, make_app, run_app
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.errors import CommandExit, ExitCode
from chatws_loadtest.machine import raise_file_limit
from chatws_loadtest.options import check_address, find_credentials, probe
from chatws_loadtest.report.compare import compare as compare_reports
from chatws_loadtest.report.compare import describe_changes
from chatws_loadtest.report.files import write_report
from chatws_loadtest.results import Report, read_json
from chatws_loadtest.runner import RunRequest, Stopped, run
from chatws_loadtest.scenario_run import RunOptions
from chatws_loadtest.scenarios import DEFAULT_SCENARIOS, SCENARIOS
from chatws_loadtest.server_process import ServerStartFailed
from chatws_loadtest.text_summary import describe
from chatws_loadtest.thresholds import (
    GUIDE_USERS,
    Threshold,
    ThresholdError,
    combine,
    default_thresholds,
    fault_thresholds,
    parse_threshold,
    read_thresholds,
)
from chatws_loadtest.verdict import Outcome
from chatws_loadtest.worker_pool import LoadRefused

EXTRA_FILES: Final = 64
"""Open files that a load process needs in addition to its connections."""


SIGNALS: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
CODES: Final = {
    Outcome.PASS: ExitCode.DONE,
    Outcome.INVALID: ExitCode.INVALID_RUN,
    Outcome.FAIL: ExitCode.TARGET_MISSED,
}

app = make_app()


def main() -> None:
    """Run the command that argv asks for and exit with its code."""
    run_app(app, "chatws loadtest")


@app.command(epilog="Example: chatws loadtest --users 100 --target 'message.p99<200ms' --report out")
def loadtest(  # noqa: PLR0917  these are options, never positional
    url: Annotated[str | None, typer.Option(help="Server to test; without it one is started on a free port.")] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(help=f"What to do: {', '.join(SCENARIOS)}; may be repeated.", metavar="NAME")
    ] = None,
    users: Annotated[int, typer.Option(min=2, help="Connections; each is one user.")] = GUIDE_USERS,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="Messages per second of each user.")] = 1.0,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds of talk; else 30, soak 1800, faults 48, each step of ramp 8.")
    ] = None,
    warmup: Annotated[float, typer.Option(min=0, help="Seconds of talk before that.")] = 5.0,
    drain: Annotated[float, typer.Option(min=0, help="Seconds to wait at the end for what is still missing.")] = 10.0,
    connects: Annotated[float, typer.Option(min=1, max=1000, help="New connections per second.")] = 100.0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that make the load.")] = 1,
    target: Annotated[list[str] | None, typer.Option(help="Another target, e.g. ack.p99<1s; may be repeated.")] = None,
    targets: Annotated[
        Path | None, typer.Option(help="File of targets (TOML) in place of the default figures.", metavar="FILE")
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: Annotated[Path | None, typer.Option(help="Agents' tokens, one per line.", metavar="FILE")] = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    report: Annotated[Path | None, typer.Option(help="Folder to write report.json and the rest to.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="An older report.json: print what changed, fail if it got worse.")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Percent by which a number may get worse.")] = 25.0,
    repeat: Annotated[int, typer.Option(min=1, max=50, help="How often to run each scenario.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the users' random choices.")] = 1,
    *,
    allow_remote: AllowRemote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    """Put a chat server under load, and say whether it keeps its targets.

    Exit codes: 0 all targets met, 99 a target missed, 98 the run says nothing (the generator was the limit, or there
    were too few samples), 2 wrong usage, 3 cannot connect, 4 credentials refused, 130 stopped by Ctrl-C (what was
    measured until then is reported, marked as partial).
    """
    if url is not None:
        check_address(url, allow_remote=allow_remote)
    older = None if compare is None else _read_older(compare)
    _require_open_files(users // processes)
    wanted = _find_targets(target or [], targets, users)
    scenarios = _find_scenarios(scenario, [parse_threshold(text) for text in target or []])
    if report is not None:
        _make_writable(report)
    options = RunOptions(
        users=users,
        rate=rate,
        duration_s=duration,
        warmup_s=warmup,
        drain_s=drain,
        connects_per_s=connects,
        processes=processes,
        seed=seed,
        csv_dir=report,
        ca_file=ca_file,
    )
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    request = RunRequest(scenarios, options, wanted, url, credentials, sys.argv[1:], repeat)
    if url is not None:
        probe(url, ca_file)
    result, code = _run(request, quiet=quiet or as_json)
    try:
        print(msgspec.json.encode(result).decode() if as_json else describe(result), flush=True)
    finally:
        # Also when nobody reads what is printed.
        if report is not None:
            _write(result, report)
    if older is not None and not result.partial:
        changes = compare_reports(older, result, tolerance / 100)
        print(describe_changes(changes), file=sys.stderr if as_json else sys.stdout)
        if code is ExitCode.DONE and any(change.is_regression for change in changes):
            code = ExitCode.TARGET_MISSED
    raise typer.Exit(code)


def _read_older(path: Path) -> Report:
    try:
        return read_json(path.read_bytes())
    except OSError as problem:
        raise CommandExit(f"{path} is no report: {problem.strerror}", ExitCode.USAGE) from problem
    except msgspec.DecodeError as problem:
        raise CommandExit(f"{path} is no report: {problem}", ExitCode.USAGE) from problem


def _write(result: Report, folder: Path) -> None:
    try:
        write_report(result, folder)
    except OSError as problem:
        raise CommandExit(f"--report {folder} could not be written: {problem.strerror}", ExitCode.FAILED) from problem


def _make_writable(folder: Path) -> None:
    """Make the folder of the report, before a load is made that nobody would hear of."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CommandExit(f"--report {folder} cannot be used: {problem.strerror}", ExitCode.USAGE) from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandExit(f"--report {folder} cannot be written to", ExitCode.USAGE)


def _run(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    try:
        return asyncio.run(_run_interruptibly(request, quiet=quiet))
    except ServerStartFailed as problem:
        raise CommandExit(str(problem), ExitCode.CANNOT_CONNECT) from problem
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    except LoadRefused as problem:
        code = ExitCode.CANNOT_CONNECT if problem.code is None else ExitCode.REFUSED
        raise CommandExit(f"the users could not connect: {problem}", code) from problem


async def _run_interruptibly(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    """Run; the first SIGINT, SIGTERM or SIGHUP ends it in order with a partial report, a second one without.

    Either way every process it started is ended. Gives the report, and the signal's exit code if there was one.
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

    loop = asyncio.get_running_loop()
    for number, code in SIGNALS.items():
        # Under nohup a closed terminal is not to be heard of.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, code)
    try:
        report = await run(request, Console(stderr=True), stopping, quiet=quiet)
    except (asyncio.CancelledError, Stopped):
        if not received:
            raise
        raise CommandExit("stopped before the end; there is no result", received[0]) from None
    return report, received[0] if received else CODES[report.outcome]


def _find_targets(texts: list[str], file: Path | None, users: int) -> list[Threshold]:
    try:
        base = default_thresholds(users) if file is None else read_thresholds(file)
        return combine(fault_thresholds(), base, map(parse_threshold, texts))
    except ThresholdError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem


def _find_scenarios(names: list[str] | None, given: list[Threshold]) -> list[str]:
    chosen = list(names or DEFAULT_SCENARIOS)
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        raise CommandExit(f"there is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}", ExitCode.USAGE)
    fed = frozenset().union(*(SCENARIOS[name].feeds for name in chosen))
    unused = [target.text for target in given if target.metric not in fed]
    if unused:
        raise CommandExit(f"{unused[0]}: none of {', '.join(chosen)} measures that", ExitCode.USAGE)
    return chosen


def _require_open_files(users: int) -> None:
    """Make sure that a load process can open its connections."""
    allowed, needed = raise_file_limit(), users + EXTRA_FILES
    if allowed < needed:
        raise CommandExit(f"{needed} open files are needed and {allowed} allowed; see ulimit -n", ExitCode.USAGE)
