"""Command line of ``chatws timeline``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from chatws.exit_codes import ExitCode
from chatws.gc_tuning import tune_gc
from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, RecordedMessage, analyse
from chatws_loadtest.chatlog.errors import ChatlogError
from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.explanation import explain
from chatws_loadtest.chatlog.reader import read_chatlog
from chatws_loadtest.chatlog.records import json_schema
from chatws_loadtest.chatlog_timeline.page import write_page
from chatws_loadtest.chatlog_timeline.screen_state import TimelineScreenState
from chatws_loadtest.chatlog_timeline.timeline_content import make_content
from chatws_loadtest.cli_base import MappingFile, make_app, run_app
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.options import find_mapping
from chatws_loadtest.text_summary import count

GC_THRESHOLD: Final = 50_000
"""New objects per collection; with the default of 700, the first view of all rooms takes three times as long."""

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws timeline")


@app.command(epilog="Example: chatws timeline out.chatlog --explain m7")
def timeline(
    file: Annotated[Path | None, typer.Argument(help="Recording (.chatlog).", metavar="FILE")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Page to write; default: FILE with the ending .html.", metavar="FILE"),
    ] = None,
    explain_message: Annotated[
        str | None,
        typer.Option(
            "--explain", help="Explain when each client received this message, and write no page.", metavar="MESSAGE"
        ),
    ] = None,
    mapping: MappingFile = None,
    *,
    screen: Annotated[
        bool, typer.Option("--screen", help="Show the recording in the terminal; with --explain, from MESSAGE on.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a recording's lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --explain: print one JSON object.")] = False,
) -> None:
    """Show a recording as a page with a column per client and the server, or explain one of its messages.

    The page needs no network and no other file; --screen shows the same in the terminal. Exit codes: 0 done, 1 the page
    cannot be written, 2 wrong usage, an invalid file, or no terminal for --screen.
    """
    if schema:
        print(msgspec.json.format(msgspec.json.encode(json_schema())).decode())
        return
    if file is None:
        raise CommandExit("a FILE is missing; chatws run, check and loadtest write one with --chatlog", ExitCode.USAGE)
    if screen:
        _require_terminal()
    try:
        log = read_chatlog(file)
    except ChatlogError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    found = analyse(log, ChatEventNames.of_mapping(find_mapping(mapping)))
    if screen:
        raise typer.Exit(_show_screen(found, explain_message))
    if explain_message is not None:
        _explain(found, explain_message, as_json=as_json)
        return
    page = output or file.with_suffix(".html")
    if page.exists() and page.samefile(file):
        raise CommandExit(f"{page} is the recording itself; choose another file with --output", ExitCode.USAGE)
    try:
        page.write_text(write_page(log, found), encoding="utf-8")
    except OSError as problem:
        raise CommandExit(f"{page} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
    print(f"wrote {page}: {count(len(found.rooms), 'room')}, {count(len(found.messages), 'message')}")


def _require_terminal() -> None:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream.isatty() for stream in streams) or os.environ.get("TERM", "dumb") == "dumb":
        raise CommandExit("--screen needs a terminal; without it, the command writes a page", ExitCode.USAGE)


def _show_screen(found: ChatlogAnalysis, message: str | None) -> ExitCode:
    from chatws_loadtest.chatlog_timeline.screen import TimelineScreen  # noqa: PLC0415 - Textual takes long to import

    if message is not None:
        _find_message(found, message)
    state = TimelineScreenState(found, make_content(found))
    if message is not None:
        state.go_to_message(message)
    tune_gc(GC_THRESHOLD)
    code = TimelineScreen(state).run()
    return ExitCode.FAILED if code is None else code


def _find_message(found: ChatlogAnalysis, name: str) -> RecordedMessage:
    message = found.find_message(name)
    if message is None:
        names = ", ".join(row.name for row in found.messages[:5])
        hint = f"; the first ones are {names}" if names else "; the recording has none"
        raise CommandExit(f"there is no message {name}{hint}", ExitCode.USAGE)
    return message


def _explain(found: ChatlogAnalysis, name: str, *, as_json: bool) -> None:
    lines = explain(found, _find_message(found, name))
    print(msgspec.json.encode({"message": name, "lines": lines}).decode() if as_json else "\n".join(lines))
