"""Command line of ``chatws record``: a tap that writes a ``.chatlog``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from chatws.exit_codes import ExitCode
from chatws.gc_tuning import tune_gc
from chatws_loadtest.chatlog.writer import ChatlogWriter
from chatws_loadtest.cli_base import AllowRemote, CaFile, MappingFile, make_app, run_app
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.exit_signals import call_on_signals
from chatws_loadtest.options import check_url, find_mapping
from chatws_loadtest.tap.chatlog_output import chatlog_records
from chatws_loadtest.tap.command import (
    GC_THRESHOLD,
    ListenAddress,
    ListenPort,
    Rules,
    Seed,
    announce,
    open_tap,
    read_rules,
)
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tap_server import TapOptions

PROGRAM: Final = "chatws record"
FLUSH_S: Final = 1.0

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, PROGRAM)


@app.command(epilog="Example: chatws record http://127.0.0.1:3000 --listen 3001 -o talk.chatlog")
def record(  # noqa: PLR0917  these are options, never positional
    url: Annotated[str, typer.Argument(help="The server.", metavar="URL")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the recording (.chatlog).", metavar="FILE")],
    listen: ListenPort = 0,
    host: ListenAddress = "127.0.0.1",
    rule: Rules = None,
    seed: Seed = 1,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    *,
    with_content: Annotated[
        bool, typer.Option("--with-content", help="Record contents and ids; tokens stay masked.")
    ] = False,
    allow_remote: AllowRemote = False,
) -> None:
    """Record what Socket.IO clients and a server exchange, through a reverse proxy in front of the server.

    The proxy is that of `chatws tap`. The file has times, connections, rooms, events and sizes, and neither texts nor
    names. Ctrl-C ends the recording. Exit codes: 0 recorded, 1 the file cannot be written, 2 wrong usage or a port in
    use.
    """
    check_url(url, allow_remote=allow_remote)
    options = TapOptions(
        url=url,
        mapping=find_mapping(mapping),
        host=host,
        port=listen,
        analysis=AnalysisOptions(with_content=with_content),
        rules=tuple(read_rules(rule or ())),
        seed=seed,
    )
    try:
        tune_gc(GC_THRESHOLD)
        count = uvloop.run(_record(options, ca_file, output))
    except OSError as problem:
        raise CommandExit(f"{output} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
    print(f"{PROGRAM}: {count} records in {output}", file=sys.stderr)


async def _record(options: TapOptions, ca_file: Path | None, output: Path) -> int:
    """Record until a signal arrives; return the number of records."""
    ended = asyncio.Event()
    call_on_signals(lambda _code: ended.set())
    failures: list[OSError] = []
    with ChatlogWriter(output, "tap", options.url, with_content=options.analysis.with_content) as writer:

        def emit(row: TapRecord) -> None:
            try:
                for line in chatlog_records(row):
                    writer.write(line)
            except OSError as problem:  # the disk is full
                failures.append(problem)
                ended.set()

        async with open_tap(options, ca_file, emit) as server:
            announce(PROGRAM, server, options)
            while not ended.is_set():
                writer.flush()
                with suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_S):
                        await ended.wait()
        if failures:
            raise failures[0]
    return writer.records


if __name__ == "__main__":
    main()
