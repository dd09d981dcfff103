"""Command line of ``chatws tap``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop

from chatws.exit_codes import ExitCode
from chatws.gc_tuning import tune_gc
from chatws_loadtest.cli_base import AllowRemote, CaFile, MappingFile, make_app, run_app
from chatws_loadtest.credentials import tls_context
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import call_on_signals
from chatws_loadtest.options import check_url, find_mapping
from chatws_loadtest.tap.analysis_process import AnalysisProcess, analyse
from chatws_loadtest.tap.fault_rules import FaultRule, RuleError, parse_rule
from chatws_loadtest.tap.line_writer import LineWriter
from chatws_loadtest.tap.masking import mask_url
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.record_filter import RecordFilter
from chatws_loadtest.tap.record_text import text_line
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tap_server import TapOptions, TapServer

PROGRAM: Final = "chatws tap"

GC_THRESHOLD: Final = 20_000
"""New objects per collection; the default of 700 would collect dozens of times a second in a busy tap."""

ListenPort = Annotated[int, typer.Option(min=0, max=65535, help="Port for the clients; 0: a free one.", metavar="PORT")]
ListenAddress = Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")]
Rules = Annotated[
    list[str] | None,
    typer.Option(help="Fault to inject, e.g. 'drop ack of send_message 5%'; repeatable.", metavar="RULE"),
]
Seed = Annotated[int, typer.Option(help="Number that repeats the choices of the rules.", metavar="N")]

_REGULAR_ENDS: Final = frozenset({ExitCode.DONE, ExitCode.FAILED, ExitCode.BROKEN_PIPE})
"""Exit codes of the analysis: after the end of the tap, and after a failure of its output."""

app = make_app()

_encode_json = msgspec.json.Encoder().encode


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, PROGRAM)


@app.command(epilog="Example: chatws tap http://127.0.0.1:3000 --listen 3001")
def tap(  # noqa: PLR0917  these are options, never positional
    url: Annotated[str, typer.Argument(help="The server.", metavar="URL")],
    listen: ListenPort = 0,
    host: ListenAddress = "127.0.0.1",
    event: Annotated[list[str] | None, typer.Option(help="Show this event only; repeatable.", metavar="NAME")] = None,
    room: Annotated[list[str] | None, typer.Option(help="Show this room only, e.g. r1.", metavar="ROOM")] = None,
    user: Annotated[list[str] | None, typer.Option(help="Show this user only, e.g. u1.", metavar="USER")] = None,
    rule: Rules = None,
    seed: Seed = 1,
    ack_late: Annotated[float, typer.Option(min=0.01, help="Flag a later ack.", metavar="SECONDS")] = 1.0,
    ack_never: Annotated[float, typer.Option(min=0.01, help="Flag a missing ack.", metavar="SECONDS")] = 10.0,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    *,
    with_content: Annotated[
        bool, typer.Option("--with-content", help="Show contents and ids; tokens stay masked.")
    ] = False,
    allow_remote: AllowRemote = False,
    as_lines: Annotated[bool, typer.Option("--lines", help="Print lines, also on a terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show what Socket.IO clients and a server exchange, through a reverse proxy in front of the server.

    Each event is paired with its ack and its deliveries, and faults are flagged as they happen. Clients connect to the
    printed address. On a terminal it is a full screen, otherwise it prints lines. Ctrl-C ends it. Exit codes: 1 the
    output failed or the analysis was killed, 2 wrong usage or a port in use, 130 ended by Ctrl-C.
    """
    check_url(url, allow_remote=allow_remote)
    options = TapOptions(
        url=url,
        mapping=find_mapping(mapping),
        host=host,
        port=listen,
        rules=tuple(read_rules(rule or ())),
        seed=seed,
        analysis=AnalysisOptions(ack_late, max(ack_late, ack_never), with_content),
    )
    if not as_json and not as_lines and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        raise typer.Exit(show_screen(sys.argv[1:]))
    selection = RecordFilter(event or (), room or (), user or ())
    started_s = time.monotonic()
    tune_gc(GC_THRESHOLD)
    analysis = AnalysisProcess(lambda stream: print_lines(stream, options, started_s, selection, as_json=as_json))
    raise typer.Exit(uvloop.run(run_tap(PROGRAM, options, ca_file, analysis)))


def show_screen(arguments: Sequence[str]) -> ExitCode:
    """Show the full screen, whose proxy is another process of this program; return the exit code.

    Raises:
        CommandExit: the proxy could not start.
    """
    from chatws_loadtest.tap.screen import run_screen  # noqa: PLC0415 - Textual takes long to import

    code, line = run_screen(arguments)
    if code is not ExitCode.DONE:
        raise CommandExit(line.partition(": ")[2], code)
    return code


def read_rules(texts: Sequence[str]) -> list[FaultRule]:
    """Read the rules of the options.

    Raises:
        CommandExit: a text is no rule.
    """
    try:
        return [parse_rule(text) for text in texts]
    except RuleError as problem:
        raise CommandExit(f"--rule: {problem}", ExitCode.USAGE) from problem


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
        async with open_tap(options, ca_file, analysis.observations) as server:
            announce(program, server, options)
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
async def open_tap(options: TapOptions, ca_file: Path | None, observations: int) -> AsyncIterator[TapServer]:
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
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        line = f"port {options.port} of {options.host} cannot be used: {reason}"
        raise CommandExit(line, ExitCode.USAGE) from problem
    try:
        yield server
    finally:
        await server.__aexit__()


def json_line(record: TapRecord) -> bytes:
    """Return a record as a line of JSON."""
    return _encode_json(record) + b"\n"


def encoded_text(record: TapRecord) -> bytes:
    """Return a record as a line of text."""
    return text_line(record).encode(errors="replace") + b"\n"


def gap(count: int) -> TapRecord:
    """Return the record that stands for lines that the reader of the output was too slow for."""
    return TapRecord(t=0, type="mark", detail=f"{count} lines left out, because the output is read too slowly")


def announce(program: str, server: TapServer, options: TapOptions) -> None:
    """Print the address for clients on standard error."""
    line = f"{program}: {server.url} forwards to {mask_url(options.url)}; Ctrl-C ends it"
    print(line, file=sys.stderr, flush=True)
