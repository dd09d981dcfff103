"""Command line of ``chatws record``: a tap that writes a ``.chatlog``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from chatws.exit_codes import ExitCode
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.cli_base import AllowRemote, CaFile, MappingFile, make_app, run_app
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.tap.analysis_process import AnalysisProcess, analyse
from chatws_loadtest.tap.chatlog_output import chatlog_records
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.supervised_tap import run_tap
from chatws_loadtest.tap.tap_options import (
    ListenAddress,
    ListenPort,
    Rules,
    Seed,
    TargetUrl,
    WithContent,
    make_tap_options,
)
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tap_server import TapOptions

PROGRAM: Final = "chatws record"

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, PROGRAM)


@app.command(epilog="Example: chatws record http://127.0.0.1:3000 --listen 3001 -o talk.chatlog")
def record(  # noqa: PLR0917  these are options, never positional
    url: TargetUrl,
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the recording (.chatlog).", metavar="FILE")],
    listen: ListenPort = 0,
    host: ListenAddress = "127.0.0.1",
    rule: Rules = None,
    seed: Seed = 1,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    *,
    with_content: WithContent = False,
    allow_remote: AllowRemote = False,
) -> None:
    """Record what Socket.IO clients and a server exchange, through a reverse proxy in front of the server.

    The proxy is that of `chatws tap`. The file has times, connections, rooms, events and sizes, and neither texts nor
    names. Ctrl-C ends the recording. Exit codes: 0 recorded, 1 the file cannot be written or the analysis was killed,
    2 wrong usage or a port in use.
    """
    analysis = AnalysisOptions(with_content=with_content)
    options = make_tap_options(
        url,
        host=host,
        listen=listen,
        rule=rule,
        seed=seed,
        mapping=mapping,
        analysis=analysis,
        allow_remote=allow_remote,
    )
    started_s = time.monotonic()
    try:
        writer = ChatlogWriter(output, "tap", url, with_content=with_content)
    except OSError as problem:
        raise CommandExit(_cannot_write(output, problem), ExitCode.FAILED) from problem
    process = AnalysisProcess(lambda stream: write_recording(stream, options, started_s, writer, output))
    code = uvloop.run(run_tap(PROGRAM, options, ca_file, process))
    # A signal is the usual end of a recording.
    raise typer.Exit(code if code == ExitCode.FAILED else ExitCode.DONE)


def write_recording(
    observations: int, options: TapOptions, started_s: float, writer: ChatlogWriter, output: Path
) -> ExitCode:
    """Write records to the file until the tap ends or the disk is full; runs in a process of its own."""

    def emit(row: TapRecord) -> None:
        for line in chatlog_records(row):
            writer.write(line)

    has_begun = False
    try:
        for _ in analyse(observations, options, started_s, emit):
            has_begun = True
            writer.flush()
        writer.close()
    except OSError as problem:
        print(f"{PROGRAM}: {_cannot_write(output, problem)}", file=sys.stderr)
        return ExitCode.FAILED
    if has_begun:
        print(f"{PROGRAM}: {writer.records} records in {output}", file=sys.stderr)
    return ExitCode.DONE


def _cannot_write(output: Path, problem: OSError) -> str:
    return f"{output} cannot be written: {problem.strerror}"
