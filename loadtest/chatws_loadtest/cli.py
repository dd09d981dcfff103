"""Command line of ``chatws loadtest``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final, TextIO

import msgspec
import typer
from rich.console import Console

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import advise, refuse_other_server
from chatws_loadtest.cli_base import AllowRemote, CaFile, JwtSecretFile, MappingFile, Sessions, make_app, run_app
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.machine import raise_file_limit
from chatws_loadtest.options import check_url, find_credentials, find_mapping, probe
from chatws_loadtest.report.compare import compare as compare_reports
from chatws_loadtest.report.compare import describe_changes
from chatws_loadtest.report.files import write_report
from chatws_loadtest.results import Report, read_json
from chatws_loadtest.run_request import RunOptions, RunRequest
from chatws_loadtest.runner import Stopped, run
from chatws_loadtest.scenario_file.errors import ScenarioFileError
from chatws_loadtest.scenario_file.load_profile import LoadProfile, profile_of
from chatws_loadtest.scenario_file.reader import read_script
from chatws_loadtest.scenarios import DEFAULT_SCENARIOS, SCENARIOS
from chatws_loadtest.server_process import ServerStartFailed
from chatws_loadtest.text_summary import describe
from chatws_loadtest.thresholds import (
    GUIDE_USERS,
    Threshold,
    ThresholdError,
    combine,
    default_thresholds,
    delivery_thresholds,
    parse_threshold,
    read_thresholds,
)
from chatws_loadtest.verdict import Outcome
from chatws_loadtest.worker_pool import LoadRefused

EXTRA_FILES: Final = 64
"""Open files that a load process needs in addition to its connections."""

FILES_PER_USER: Final = {
    TransportChoice.WEBSOCKET: 1,
    TransportChoice.POLLING: 2,
    TransportChoice.UPGRADE: 3,
    TransportChoice.MIX: 2,
}
"""Connections of a user at most; of the users of a mix on average."""

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
    """Run the command, and exit with its code."""
    run_app(app, "chatws loadtest")


@app.command(epilog="Example: chatws loadtest --users 100 --target 'message.p99<200ms' --report out")
def loadtest(  # noqa: PLR0917  these are options, never positional
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Server to test; default: start one on a free port.")
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(help=f"Scenario: {', '.join(SCENARIOS)}; may be repeated.", metavar="NAME")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="Scenario file that gives the users' habits; default scenario: steady.", metavar="FILE"),
    ] = None,
    users: Annotated[
        int, typer.Option(metavar="N", min=2, help="Simulated users; each has one connection.")
    ] = GUIDE_USERS,
    rate: Annotated[
        float, typer.Option(metavar="N", min=0.01, max=100, help="Messages per second of each user.")
    ] = 1.0,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Seconds to measure; default 30, soak 1800, faults 48, ramp and capacity 8 a step.",
        ),
    ] = None,
    warmup: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Seconds of load before the measurement.")
    ] = 5.0,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Seconds to wait for missing acks and messages.")
    ] = 10.0,
    transport: Annotated[
        TransportChoice,
        typer.Option(help="Transport; upgrade polls first, mix divides the users among all three."),
    ] = TransportChoice.WEBSOCKET,
    connects: Annotated[float, typer.Option(metavar="N", min=1, max=1000, help="New connections per second.")] = 100.0,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Number of processes that generate the load.")
    ] = 1,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Additional threshold, e.g. ack.p99<1s; may be repeated.", metavar="THRESHOLD"),
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="File of thresholds (TOML) that replace the defaults.", metavar="FILE")
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: Annotated[Path | None, typer.Option(help="Agents' tokens, one per line.", metavar="FILE")] = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.json and others.", metavar="DIR")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Older report.json: print the changes, fail if a value got worse.", metavar="FILE"),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, help="Percent by which a value may get worse.")
    ] = 25.0,
    repeat: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Number of runs of each scenario.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the users' random choices.")] = 1,
    *,
    allow_remote: AllowRemote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    """Put a chat server under load, and compare the measurements with thresholds.

    Exit codes: 0 all thresholds met, 99 a threshold missed, 98 invalid run (the generator was the limit, or there were
    too few samples), 2 wrong usage, 3 cannot connect, 4 credentials refused, 130 stopped by Ctrl-C (the results so far
    are reported, marked as partial).
    """
    if url is not None:
        check_url(url, allow_remote=allow_remote)
    older = None if compare is None else _read_report(compare)
    _require_open_files(users // processes * FILES_PER_USER[transport])
    thresholds = _find_thresholds(target or [], targets, users)
    load = None if profile is None else _read_profile(profile)
    if load is not None:
        scenario, rate = scenario or ["steady"], load.rate or rate
    scenarios = _find_scenarios(scenario, [parse_threshold(text) for text in target or []], transport)
    if report is not None:
        _create_folder(report)
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
        transport=transport,
        mapping=find_mapping(mapping),
        profile=load,
    )
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    request = RunRequest(scenarios, options, thresholds, url, credentials, sys.argv[1:], repeat)
    if url is not None:
        probe(url, ca_file)
        refuse_other_server(url, ca_file, credentials, options.mapping)
    result, code = _run(request, quiet=quiet or as_json)
    try:
        print(msgspec.json.encode(result).decode() if as_json else describe(result), flush=True)
    finally:
        # Also if standard output is a closed pipe.
        if report is not None:
            _write(result, report)
    if older is not None and not result.partial:
        has_regressions = _print_changes(older, result, tolerance / 100, sys.stderr if as_json else sys.stdout)
        if has_regressions and code is ExitCode.DONE:
            code = ExitCode.TARGET_MISSED
    raise typer.Exit(code)


def _read_profile(path: Path) -> LoadProfile:
    try:
        return profile_of(read_script(path))
    except ScenarioFileError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem


def _read_report(path: Path) -> Report:
    try:
        return read_json(path.read_bytes())
    except OSError as problem:
        raise CommandExit(f"{path} is not a report: {problem.strerror}", ExitCode.USAGE) from problem
    except msgspec.DecodeError as problem:
        raise CommandExit(f"{path} is not a report: {problem}", ExitCode.USAGE) from problem


def _print_changes(older: Report, newer: Report, tolerance: float, file: TextIO) -> bool:
    """Print the changes since an older report, and return whether there are regressions."""
    changes = compare_reports(older, newer, tolerance)
    print(describe_changes(changes), file=file)
    return any(change.is_regression for change in changes)


def _write(result: Report, folder: Path) -> None:
    try:
        write_report(result, folder)
    except OSError as problem:
        raise CommandExit(f"--report {folder} could not be written: {problem.strerror}", ExitCode.FAILED) from problem


def _create_folder(folder: Path) -> None:
    """Create the folder of the report before the run: an error after it would lose the results."""
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
        advice = "" if code is ExitCode.REFUSED or request.url is None else f"; {advise(request.options.mapping)}"
        raise CommandExit(f"the users could not connect: {problem}{advice}", code) from problem


async def _run_interruptibly(request: RunRequest, *, quiet: bool) -> tuple[Report, ExitCode]:
    """Run the load test, and return the report and the exit code, which is that of a signal if one was received.

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

    loop = asyncio.get_running_loop()
    for number, code in SIGNALS.items():
        # Under nohup SIGHUP is ignored, and must stay ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, code)
    try:
        report = await run(request, Console(stderr=True), stopping, quiet=quiet)
    except (asyncio.CancelledError, Stopped):
        if not received:
            raise
        raise CommandExit("stopped before the end; there is no result", received[0]) from None
    return report, received[0] if received else CODES[report.outcome]


def _find_thresholds(texts: list[str], file: Path | None, users: int) -> list[Threshold]:
    try:
        base = default_thresholds(users) if file is None else read_thresholds(file)
        return combine(delivery_thresholds(), base, map(parse_threshold, texts))
    except ThresholdError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem


def _find_scenarios(names: list[str] | None, given: list[Threshold], transport: TransportChoice) -> list[str]:
    chosen = list(names or DEFAULT_SCENARIOS)
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        raise CommandExit(f"there is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}", ExitCode.USAGE)
    measured = frozenset().union(*(SCENARIOS[name].metrics for name in chosen))
    if transport not in {TransportChoice.UPGRADE, TransportChoice.MIX}:
        measured -= {"upgrade"}
    unused = [threshold.text for threshold in given if threshold.metric not in measured]
    if unused:
        raise CommandExit(f"{unused[0]}: none of {', '.join(chosen)} measures that", ExitCode.USAGE)
    return chosen


def _require_open_files(users: int) -> None:
    """Make sure that a load process can open its connections."""
    allowed, needed = raise_file_limit(), users + EXTRA_FILES
    if allowed < needed:
        raise CommandExit(f"{needed} open files are needed and {allowed} allowed; see ulimit -n", ExitCode.USAGE)
