"""Command line of ``chatws tap``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer
import uvloop

from chatws.command_numbers import require_finite
from chatws.exit_codes import ExitCode
from chatws_loadtest.cli_base import AllowRemote, CaFile, MappingFile, make_app, run_app
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.tap.analysis_process import AnalysisProcess, analyse
from chatws_loadtest.tap.line_writer import LineWriter
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.record_filter import RecordFilter
from chatws_loadtest.tap.record_text import text_line
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

PROGRAM: Final = "chatws tap"

app = make_app()

_encode_json = msgspec.json.Encoder().encode


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, PROGRAM)


@app.command(epilog="Example: chatws tap http://127.0.0.1:3000 --listen 3001")
def tap(  # noqa: PLR0917  these are options, never positional
    url: TargetUrl,
    listen: ListenPort = 0,
    host: ListenAddress = "127.0.0.1",
    event: Annotated[list[str] | None, typer.Option(help="Show this event only; repeatable.", metavar="NAME")] = None,
    room: Annotated[list[str] | None, typer.Option(help="Show this room only, e.g. r1.", metavar="ROOM")] = None,
    user: Annotated[list[str] | None, typer.Option(help="Show this user only, e.g. u1.", metavar="USER")] = None,
    rule: Rules = None,
    seed: Seed = 1,
    ack_late: Annotated[
        float, typer.Option(min=0.01, callback=require_finite, help="Flag a later ack.", metavar="SECONDS")
    ] = 1.0,
    ack_never: Annotated[
        float, typer.Option(min=0.01, callback=require_finite, help="Flag a missing ack.", metavar="SECONDS")
    ] = 10.0,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    *,
    with_content: WithContent = False,
    allow_remote: AllowRemote = False,
    as_lines: Annotated[bool, typer.Option("--lines", help="Print lines, also on a terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show what Socket.IO clients and a server exchange, through a reverse proxy in front of the server.

    Each event is paired with its ack and its deliveries, and faults are flagged as they happen. Clients connect to the
    printed address. On a terminal it is a full screen, otherwise it prints lines. Ctrl-C ends it. Exit codes: 1 the
    output failed or the analysis was killed, 2 wrong usage or a port in use, 130 ended by Ctrl-C.
    """
    analysis = AnalysisOptions(ack_late, max(ack_late, ack_never), with_content)
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
    if not as_json and not as_lines and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        raise typer.Exit(show_screen(sys.argv[1:]))
    selection = RecordFilter(event or (), room or (), user or ())
    started_s = time.monotonic()
    process = AnalysisProcess(lambda stream: print_lines(stream, options, started_s, selection, as_json=as_json))
    raise typer.Exit(uvloop.run(run_tap(PROGRAM, options, ca_file, process)))


def show_screen(arguments: Sequence[str]) -> ExitCode:
    """Show the full screen, whose proxy is another process of this program; return the exit code.

    Raises:
        CommandExit: the proxy could not start.
    """
    from chatws_loadtest.tap.screen import run_screen  # noqa: PLC0415 - Textual takes long to import

    code, failure = run_screen(arguments)
    if failure:
        raise CommandExit(failure.partition(": ")[2], code)
    return code


def print_lines(
    observations: int, options: TapOptions, started_s: float, selection: RecordFilter, *, as_json: bool
) -> ExitCode:
    """Print records as lines until the tap ends or the reader of the output has gone; runs in a process of its own."""
    show = json_line if as_json else encoded_text
    lines: list[bytes] = []
    codes: list[ExitCode] = []

    def fail(problem: OSError) -> None:
        codes.append(ExitCode.BROKEN_PIPE if isinstance(problem, BrokenPipeError) else ExitCode.FAILED)

    def emit(record: TapRecord) -> None:
        if selection.accepts(record):
            lines.append(show(record))

    writer = LineWriter(sys.stdout.fileno(), fail, lambda count: show(gap(count)))
    try:
        for _ in analyse(observations, options, started_s, emit):
            writer.write(lines)
            lines.clear()
            if codes:
                break
    finally:
        writer.close()
    return codes[0] if codes else ExitCode.DONE


def json_line(record: TapRecord) -> bytes:
    """Return a record as a line of JSON."""
    return _encode_json(record) + b"\n"


def encoded_text(record: TapRecord) -> bytes:
    """Return a record as a line of text."""
    return text_line(record).encode(errors="replace") + b"\n"


def gap(count: int) -> TapRecord:
    """Return the record that stands for lines that the reader of the output was too slow for."""
    return TapRecord(t=0, type="mark", detail=f"{count} lines left out, because the output is read too slowly")
