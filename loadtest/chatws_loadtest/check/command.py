"""Command line of ``chatws check``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, closing, nullcontext
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from chatws.client.mapping import mapping_schema
from chatws.exit_codes import ExitCode
from chatws_loadtest.chat_probe import find_mismatch
from chatws_loadtest.chatlog.option import ChatlogFile, WithContent, read_chatlog_option
from chatws_loadtest.check.check_context import CheckTarget
from chatws_loadtest.check.check_output import print_check, put_out_checks
from chatws_loadtest.check.registry import Check, CheckResult
from chatws_loadtest.check.runner import all_checks, run_checks
from chatws_loadtest.check.webhook_receiver import CheckReceiver, WebhookOptions, find_webhook
from chatws_loadtest.cli_base import (
    AllowRemote,
    CaFile,
    JwtSecretFile,
    MappingFile,
    ReplyTimeout,
    Sessions,
    make_app,
    run_app,
)
from chatws_loadtest.credentials import Credentials, CredentialsMissing, make_rooms, tls_context
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.options import check_url, find_credentials, find_mapping, probe
from chatws_loadtest.server_address import REPLY_TIMEOUT_S, ServerAddress

app = make_app()


def _print_schema(requested: bool) -> None:  # noqa: FBT001 - the signature of a callback
    if requested:
        print(msgspec.json.format(msgspec.json.encode(mapping_schema()), indent=2).decode())
        raise typer.Exit


def main() -> None:
    """Run the command, and exit with its code."""
    run_app(app, "chatws check")


@app.command(epilog="Example: chatws check http://127.0.0.1:3000 --jwt-secret-file ~/.local/share/chatws/secret")
def check(  # noqa: PLR0917  these are options, never positional
    url: Annotated[str, typer.Argument(help="The server.", metavar="URL")],
    only: Annotated[
        list[str] | None,
        typer.Option(help="Prefix of the names of checks to run, e.g. auth; may be repeated.", metavar="PREFIX"),
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: Annotated[Path | None, typer.Option(help="Tokens of two agents, one per line.", metavar="FILE")] = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    mapping: MappingFile = None,
    timeout: ReplyTimeout = REPLY_TIMEOUT_S,
    webhook_url: Annotated[
        str | None, typer.Option(help="webhook_url of the server, on this machine; enables its check.", metavar="URL")
    ] = None,
    webhook_secret_file: Annotated[
        Path | None, typer.Option(help="Secret of the webhook; default: CHATWS_WEBHOOK_SECRET.", metavar="FILE")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="File for the results as JUnit XML.", metavar="FILE")] = None,
    chatlog: ChatlogFile = None,
    *,
    with_content: WithContent = False,
    allow_remote: AllowRemote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    mapping_schema: Annotated[  # noqa: ARG001 - its callback ends the command
        bool,
        typer.Option(
            "--mapping-schema", callback=_print_schema, is_eager=True, help="Print the JSON schema of mapping files."
        ),
    ] = False,
) -> None:
    """Check that a server conforms to the integration guide, and list the additions it offers.

    The checks write to two conversations. Exit codes: 0 no check failed, 1 a check failed, 2 wrong usage, 3 cannot
    connect.
    """
    check_url(url, allow_remote=allow_remote)
    checks = [row for row in all_checks() if not only or row.name.startswith(tuple(only))]
    if not checks:
        raise CommandExit(f"no check begins with {' or '.join(only or [])}", ExitCode.USAGE)
    described, webhook = find_mapping(mapping), find_webhook(webhook_url, webhook_secret_file)
    recording = read_chatlog_option(chatlog, with_content=with_content)
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
        probe(url, ca_file)
        mismatch = asyncio.run(find_mismatch(url, ca_file, credentials, described, timeout))
        if mismatch is not None:
            print(mismatch, file=sys.stderr, flush=True)
        with nullcontext() if recording is None else closing(recording.open_recorder("check", url)) as recorder:
            server = ServerAddress(url.rstrip("/"), tls_context(url, ca_file), described, recorder, timeout)
            results = asyncio.run(_run(server, ca_file, credentials, checks, webhook=webhook, quiet=as_json))
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    raise typer.Exit(put_out_checks("check", url, results, junit, as_json=as_json))


async def _run(
    server: ServerAddress,
    ca_file: Path | None,
    credentials: Credentials,
    checks: list[Check],
    *,
    webhook: WebhookOptions | None,
    quiet: bool,
) -> list[CheckResult]:
    rooms = await make_rooms(server.url, credentials, [2, 2], ca_file)
    if rooms[0].members[1] == rooms[1].members[1]:
        raise CredentialsMissing("there is one agent, two are needed; --tokens takes one per line")
    async with AsyncExitStack() as stack:
        # From the first check on: a server postpones the events of a conversation whose receiver does not answer.
        receiver = None if webhook is None else await stack.enter_async_context(CheckReceiver.open(webhook))
        target = CheckTarget(server, rooms, receiver)
        return await run_checks(target, checks, (lambda _: None) if quiet else print_check)
