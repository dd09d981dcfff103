"""Command line of ``chatws run``."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import refuse_other_server
from chatws_loadtest.chatlog.option import ChatlogFile, WithContent, read_chatlog_option
from chatws_loadtest.cli_base import (
    AgentTokens,
    AllowRemote,
    CaFile,
    JwtSecretFile,
    MappingFile,
    ReplyTimeout,
    Sessions,
    make_app,
    run_app,
)
from chatws_loadtest.credentials import CredentialsMissing
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.options import check_url, find_credentials, find_mapping, probe
from chatws_loadtest.scenario_file.errors import PersonNotConnected, ScenarioFileError
from chatws_loadtest.scenario_file.json_schema import json_schema
from chatws_loadtest.scenario_file.junit_output import junit_of
from chatws_loadtest.scenario_file.play_options import PlayOptions
from chatws_loadtest.scenario_file.play_report import PlayReport, StepResult
from chatws_loadtest.scenario_file.reader import read_script
from chatws_loadtest.scenario_file.text_output import describe_result, describe_step
from chatws_loadtest.server_address import REPLY_TIMEOUT_S
from chatws_loadtest.server_process import ServerStartFailed
from chatws_loadtest.text_summary import count

app = make_app()


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws run")


@app.command(epilog="Example: chatws run talk.yaml --url http://127.0.0.1:3000 --jwt-secret-file secret")
def run(  # noqa: PLR0917  these are options, never positional
    file: Annotated[Path | None, typer.Argument(help="Scenario file (YAML).", metavar="FILE")] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Server to test; default: start one on a free port.")
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: AgentTokens = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    timeout: ReplyTimeout = REPLY_TIMEOUT_S,
    junit: Annotated[Path | None, typer.Option(help="File for the results as JUnit XML.", metavar="FILE")] = None,
    chatlog: ChatlogFile = None,
    *,
    with_content: WithContent = False,
    check: Annotated[bool, typer.Option("--check", help="Validate the file, and run nothing.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")] = False,
    allow_remote: AllowRemote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Play a scenario file: people connect, talk and lose connections, and each step is judged.

    Exit codes: 0 all steps passed, 99 a step failed, 98 a step could not be judged, 2 wrong usage or an invalid file,
    3 cannot connect, 4 credentials refused, 130 stopped by Ctrl-C.
    """
    if schema:
        print(msgspec.json.format(msgspec.json.encode(json_schema())).decode())
        return
    if file is None:
        raise CommandExit("a FILE is missing; chatws run --help shows an example", ExitCode.USAGE)
    if check:
        _check(file, as_json=as_json)
        return
    if url is not None:
        check_url(url, allow_remote=allow_remote)
    elif mapping is not None:
        raise CommandExit("--mapping needs --url: the bundled server has the guide's events", ExitCode.USAGE)
    printer = _Printer(str(file))
    try:
        options = PlayOptions(
            url=url,
            credentials=find_credentials(jwt_secret_file, tokens, sessions),
            ca_file=ca_file,
            mapping=find_mapping(mapping),
            chatlog=read_chatlog_option(chatlog, with_content=with_content),
            reply_timeout_s=timeout,
            on_step=(lambda _: None) if as_json else printer.print_step,
        )
        report, code = _play(file, options)
    except (ScenarioFileError, CredentialsMissing) as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    print(msgspec.json.encode(report).decode() if as_json else describe_result(report), flush=True)
    if junit is not None:
        _save(junit, junit_of(report))
    if report.stopped:
        raise CommandExit("stopped before the end", code)
    raise typer.Exit(code)


def _play(file: Path, options: PlayOptions) -> tuple[PlayReport, ExitCode]:
    """Play a file, and return the report and the exit code.

    Raises:
        ScenarioFileError: the file is invalid.
        CredentialsMissing: there are too few credentials.
        CommandExit: a server or a person is missing.
    """
    # Imported here: aiohttp costs 150 ms of start-up time, which --check, --schema and --help do not need.
    from chatws_loadtest.scenario_file.interruptible_play import play_interruptibly  # noqa: PLC0415

    script = read_script(file)
    if options.url is not None:
        probe(options.url, options.ca_file)
        refuse_other_server(options.url, options.ca_file, options.credentials, options.mapping, options.reply_timeout_s)
    try:
        return asyncio.run(play_interruptibly(file, script, options))
    except ServerStartFailed as problem:
        raise CommandExit(str(problem), ExitCode.CANNOT_CONNECT) from problem
    except PersonNotConnected as problem:
        code = ExitCode.REFUSED if problem.is_refusal else ExitCode.CANNOT_CONNECT
        raise CommandExit(str(problem), code) from problem


class _Printer:
    """Printer of step results, for a terminal of any width or a pipe."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def print_step(self, step: StepResult) -> None:
        for line in describe_step(step, self._file, self._width):
            print(line, flush=True)


def _check(file: Path, *, as_json: bool) -> None:
    try:
        script = read_script(file)
    except ScenarioFileError as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    if as_json:
        summary = {"file": str(file), "people": list(script.people), "steps": len(script.steps)}
        print(msgspec.json.encode(summary).decode())
        return
    people = count(len(script.people), "person") if len(script.people) == 1 else f"{len(script.people)} people"
    print(f"{file}: {people}, {count(len(script.steps), 'step')}")


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise CommandExit(f"--junit {path} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem
