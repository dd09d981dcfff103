"""Command line of ``chatws loadtest``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import refuse_other_server
from chatws_loadtest.chatlog.option import ChatlogFile, WithContent, read_chatlog_option
from chatws_loadtest.ci.ci_files import TEMPLATES, CiFileExists, CiSystem, write_ci_files
from chatws_loadtest.cli_base import (
    AgentTokens,
    AllowRemote,
    CaFile,
    JwtSecretFile,
    MappingFile,
    Sessions,
    make_app,
    run_app,
)
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.interruptible_run import run_load
from chatws_loadtest.load_command_options import (
    Connects,
    Drain,
    Processes,
    ReportAsJson,
    ReportFolder,
    ResultOnly,
    TransportOption,
)
from chatws_loadtest.load_options import (
    create_folder,
    find_scenarios,
    find_thresholds,
    read_profile,
    read_report,
    require_open_files,
    require_writable,
)
from chatws_loadtest.options import check_url, find_credentials, find_mapping, probe
from chatws_loadtest.result_output import OutputOptions, put_out
from chatws_loadtest.run_request import RunOptions, RunRequest
from chatws_loadtest.scenarios import SCENARIOS
from chatws_loadtest.thresholds import GUIDE_USERS
from chatws_loadtest.trend.command import trend

app = make_app()
app.command(epilog="Example: chatws loadtest trend reports --html trend.html")(trend)


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws loadtest")


@app.callback(
    invoke_without_command=True,
    epilog="Example: chatws loadtest --users 200 --target 'message.p99<200ms' --report out",
)
def loadtest(  # noqa: PLR0917  these are options, never positional
    ctx: typer.Context,
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
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Simulated users, each with one connection; with stages, users of the largest one.",
            show_default=f"{GUIDE_USERS}, or as the stages of --profile",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(metavar="N", min=0.01, max=100, callback=require_finite, help="Messages per second of each user."),
    ] = 1.0,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            callback=require_finite,
            help="Seconds to measure; default 30, soak 1800, faults 48, ramp and capacity 8 a step.",
        ),
    ] = None,
    warmup: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, callback=require_finite, help="Seconds of load before the measurement."),
    ] = 5.0,
    drain: Drain = 10.0,
    transport: TransportOption = TransportChoice.WEBSOCKET,
    connects: Connects = 100.0,
    processes: Processes = 1,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Additional threshold, e.g. ack.p99<1s; may be repeated.", metavar="THRESHOLD"),
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="File of thresholds (TOML) that replace the defaults.", metavar="FILE")
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: AgentTokens = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    report: ReportFolder = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="File for a summary in Markdown; in GitHub Actions also the job's summary.", metavar="FILE"),
    ] = None,
    openmetrics: Annotated[
        Path | None, typer.Option(help="File for the figures in the OpenMetrics format.", metavar="FILE")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Older report.json: print the changes, fail if a value got worse.", metavar="FILE"),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, callback=require_finite, help="Percent by which a value may get worse."),
    ] = 25.0,
    chatlog: ChatlogFile = None,
    repeat: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Number of runs of each scenario.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the users' random choices.")] = 1,
    init_ci: Annotated[
        CiSystem | None,
        typer.Option(help="Write files for a CI system into this folder, and end: github or gitlab.", metavar="SYSTEM"),
    ] = None,
    *,
    with_content: WithContent = False,
    force: Annotated[bool, typer.Option("--force", help="With --init-ci: overwrite files.")] = False,
    allow_remote: AllowRemote = False,
    as_json: ReportAsJson = False,
    quiet: ResultOnly = False,
) -> None:
    """Put a chat server under load, and compare the measurements with thresholds.

    Exit codes: 0 all thresholds met, 99 a threshold missed, 98 invalid run (the generator was the limit, or there were
    too few samples), 2 wrong usage, 3 cannot connect, 4 credentials refused, 130 stopped by Ctrl-C. If a run ends
    early, the results so far are reported, marked as partial.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    if init_ci is not None or force:
        _write_ci_files(init_ci, force=force)
        return
    if url is not None:
        check_url(url, allow_remote=allow_remote)
    output = OutputOptions(
        as_json=as_json,
        folder=report,
        summary=summary,
        openmetrics=openmetrics,
        older=None if compare is None else read_report(compare),
        tolerance=tolerance / 100,
    )
    load = None if profile is None else read_profile(profile, scenario, duration)
    users = users or (load and load.most_users) or GUIDE_USERS
    if load is not None:
        scenario, rate = scenario or ["steady"], load.rate or rate
    require_open_files(users // processes, transport)
    thresholds = find_thresholds(target or [], targets, users if load is None else load.users_in_rooms(users))
    scenarios = find_scenarios(scenario, target or [], transport)
    if report is not None:
        create_folder(report)
    for file in (summary, openmetrics, chatlog):
        if file is not None:
            require_writable(file)
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
        mapping_name="" if mapping is None else mapping.name,
        profile=load,
        chatlog=read_chatlog_option(chatlog, with_content=with_content),
    )
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    request = RunRequest(scenarios, options, thresholds, url, credentials, sys.argv[1:], repeat)
    if url is not None:
        probe(url, ca_file)
        refuse_other_server(url, ca_file, credentials, options.mapping)
    result, code = run_load(request, quiet=quiet or as_json)
    has_regressions = put_out(result, output)
    raise typer.Exit(ExitCode.TARGET_MISSED if has_regressions and code is ExitCode.DONE else code)


def _refuse_options(ctx: typer.Context) -> None:
    """Refuse options of the load test in front of a subcommand, which would have no effect."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise CommandExit(f"--{name.replace('_', '-')} has no effect on {ctx.invoked_subcommand}", ExitCode.USAGE)


def _write_ci_files(system: CiSystem | None, *, force: bool) -> None:
    if system is None:
        raise CommandExit("--force has no effect without --init-ci", ExitCode.USAGE)
    try:
        paths = write_ci_files(system, Path(), force=force)
    except CiFileExists as problem:
        raise CommandExit(f"{problem}; --force overwrites it", ExitCode.USAGE) from problem
    except OSError as problem:
        raise CommandExit(f"{problem.filename} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
    for path in paths:
        print(f"wrote {path}")
    print(f"next: {TEMPLATES[system].next_step}")
