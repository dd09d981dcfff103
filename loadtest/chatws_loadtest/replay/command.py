"""Command line of ``chatws replay``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from chatws.client.gevent.transport_choice import TransportChoice
from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import refuse_other_server
from chatws_loadtest.chatlog.analysis import analyse
from chatws_loadtest.chatlog.errors import ChatlogError
from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.option import ChatlogFile, WithContent, read_chatlog_option
from chatws_loadtest.chatlog.reader import Chatlog, read_chatlog
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
from chatws_loadtest.load_options import create_folder, find_added_thresholds, require_open_files, require_writable
from chatws_loadtest.options import check_url, find_credentials, find_mapping, probe
from chatws_loadtest.replay.recorded_scripts import make_scripts
from chatws_loadtest.replay.replay_load import ReplayLoad
from chatws_loadtest.result_output import OutputOptions, put_out
from chatws_loadtest.run_request import RunOptions, RunRequest

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws replay")


@app.command(epilog="Example: chatws replay out.chatlog --against http://127.0.0.1:3000 --jwt-secret-file secret")
def replay(  # noqa: PLR0917  these are options, never positional
    file: Annotated[Path, typer.Argument(help="Recording (.chatlog).", metavar="FILE")],
    against: Annotated[
        str | None, typer.Option(metavar="URL", help="Server to test; default: start one on a free port.")
    ] = None,
    times: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Copies of every room, side by side, with other people.")
    ] = 1,
    speed: Annotated[
        float,
        typer.Option(metavar="X", min=0.01, max=100, callback=require_finite, help="Factor of the recorded speed."),
    ] = 1.0,
    reply_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            callback=require_finite,
            help="Seconds that a message waits for those that its sender had received before.",
        ),
    ] = 10.0,
    drain: Drain = 10.0,
    transport: TransportOption = TransportChoice.WEBSOCKET,
    connects: Connects = 100.0,
    processes: Processes = 1,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Threshold beside those of correct delivery, e.g. ack.p99<1s.", metavar="THRESHOLD"),
    ] = None,
    targets: Annotated[Path | None, typer.Option(help="File of further thresholds (TOML).", metavar="FILE")] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: AgentTokens = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    recorded_mapping: Annotated[
        Path | None,
        typer.Option(help="Names of the recorded events (TOML), if they are not the guide's.", metavar="FILE"),
    ] = None,
    report: ReportFolder = None,
    chatlog: ChatlogFile = None,
    *,
    with_content: WithContent = False,
    allow_remote: AllowRemote = False,
    as_json: ReportAsJson = False,
    quiet: ResultOnly = False,
) -> None:
    """Repeat a recording against a server with new people, and judge it as the load test does.

    A message is sent after those that its sender had received before it, also if they arrive later than in the
    recording. Exit codes: 0 all thresholds met, 99 a threshold missed, 98 invalid run (the generator was the limit, or
    there were too few samples), 2 wrong usage or an invalid file, 3 cannot connect, 4 credentials refused, 130 stopped
    by Ctrl-C.
    """
    if against is not None:
        check_url(against, allow_remote=allow_remote)
    log, names = _read(file, recorded_mapping)
    load = ReplayLoad(file.name, make_scripts(log, analyse(log, names), names, speed), times, reply_timeout)
    if not load.messages:
        raise CommandExit(f"{file}: no message of a known sender is recorded; see --recorded-mapping", ExitCode.USAGE)
    users = sum(load.room_sizes)
    require_open_files(users // processes, transport)
    if report is not None:
        create_folder(report)
    if chatlog is not None:
        require_writable(chatlog)
        if chatlog.exists() and chatlog.samefile(file):
            raise CommandExit(f"--chatlog {chatlog} is the recording itself; choose another file", ExitCode.USAGE)
    options = RunOptions(
        users=users,
        rate=round(load.messages / max(1.0, load.duration_s) / users, 3),
        duration_s=load.duration_s,
        warmup_s=0.0,
        drain_s=drain,
        connects_per_s=connects,
        processes=processes,
        seed=1,
        csv_dir=report,
        ca_file=ca_file,
        transport=transport,
        mapping=find_mapping(mapping),
        mapping_name="" if mapping is None else mapping.name,
        replay=load,
        chatlog=read_chatlog_option(chatlog, with_content=with_content),
    )
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    thresholds = find_added_thresholds([f"sent>={load.messages}", *(target or [])], targets)
    request = RunRequest(["replay"], options, thresholds, against, credentials, sys.argv[1:])
    if against is not None:
        probe(against, ca_file)
        refuse_other_server(against, ca_file, credentials, options.mapping)
    result, code = run_load(request, quiet=quiet or as_json)
    put_out(result, OutputOptions(as_json, report, summary=None, openmetrics=None, older=None, tolerance=0.0))
    raise typer.Exit(code)


def _read(file: Path, recorded_mapping: Path | None) -> tuple[Chatlog, ChatEventNames]:
    names = ChatEventNames.of_mapping(find_mapping(recorded_mapping, "--recorded-mapping"))
    try:
        return read_chatlog(file), names
    except ChatlogError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
