"""The ``chatws check`` command."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree as ET

import msgspec
import typer

from chatws_loadtest.check.check_context import CheckTarget
from chatws_loadtest.check.registry import Check, CheckOutcome, CheckResult
from chatws_loadtest.check.runner import all_checks, run_checks
from chatws_loadtest.cli_base import AllowRemote, CaFile, JwtSecretFile, Sessions, make_app, run_app
from chatws_loadtest.credentials import Credentials, CredentialsMissing, make_rooms
from chatws_loadtest.errors import CommandExit, ExitCode
from chatws_loadtest.options import check_url, find_credentials, probe

app = make_app()


def main() -> None:
    """Run the command that argv asks for and exit with its code."""
    run_app(app, "chatws check")


@app.command(epilog="Example: chatws check http://127.0.0.1:3000 --jwt-secret-file ~/.local/share/chatws/secret")
def check(  # noqa: PLR0917  these are options, never positional
    url: Annotated[str, typer.Argument(help="The server.", metavar="URL")],
    only: Annotated[
        list[str] | None, typer.Option(help="Beginning of the checks' names, e.g. auth; may be repeated.")
    ] = None,
    jwt_secret_file: JwtSecretFile = None,
    tokens: Annotated[Path | None, typer.Option(help="Tokens of two agents, one per line.", metavar="FILE")] = None,
    sessions: Sessions = None,
    ca_file: CaFile = None,
    junit: Annotated[Path | None, typer.Option(help="File to write as JUnit XML.", metavar="FILE")] = None,
    *,
    allow_remote: AllowRemote = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check whether a server keeps the guide, and which of our additions it offers.

    It writes into two conversations. Exit codes: 0 nothing failed, 1 something did, 2 wrong usage, 3 cannot connect.
    """
    check_url(url, allow_remote=allow_remote)
    wanted = [row for row in all_checks() if not only or row.name.startswith(tuple(only))]
    if not wanted:
        raise CommandExit(f"no check begins with {' or '.join(only or [])}", ExitCode.USAGE)
    try:
        credentials = find_credentials(jwt_secret_file, tokens, sessions)
        probe(url, ca_file)
        findings = asyncio.run(_run(url.rstrip("/"), ca_file, credentials, wanted, quiet=as_json))
    except CredentialsMissing as problem:
        raise CommandExit(str(problem), ExitCode.USAGE) from problem
    counts = {result: sum(finding.result is result for finding in findings) for result in CheckOutcome}
    if as_json:
        print(msgspec.json.encode({"url": url, "counts": counts, "checks": findings}).decode())
    else:
        print(f"\n{url}: " + ", ".join(f"{count} {result}" for result, count in counts.items()))
    if junit is not None:
        _save(junit, _write_junit(url, findings))
    raise typer.Exit(ExitCode.FAILED if counts[CheckOutcome.FAIL] else ExitCode.DONE)


async def _run(
    url: str, ca_file: Path | None, credentials: Credentials, wanted: list[Check], *, quiet: bool
) -> list[CheckResult]:
    rooms = await make_rooms(url, credentials, [2, 2], ca_file)
    if rooms[0].members[1] == rooms[1].members[1]:
        raise CredentialsMissing("there is one agent, two are needed; --tokens takes one per line")
    site = CheckTarget(url, rooms, ssl.create_default_context(cafile=ca_file))
    return await run_checks(site, wanted, (lambda _: None) if quiet else _print)


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise CommandExit(f"--junit {path} cannot be written: {problem.strerror}", ExitCode.FAILED) from problem


def _print(finding: CheckResult) -> None:
    print(f"{finding.result:<11}  {finding.name:<24}  {finding.what}")
    if finding.reason:
        print(f"{'':<39}{finding.reason}")
    if finding.advice:
        print(f"{'':<39}try: {finding.advice}")
    sys.stdout.flush()


def _write_junit(url: str, findings: list[CheckResult]) -> bytes:
    failed = sum(finding.result is CheckOutcome.FAIL for finding in findings)
    skipped = sum(finding.result is CheckOutcome.NOT_OFFERED for finding in findings)
    root = ET.Element("testsuites", name="chatws check")
    suite = ET.SubElement(
        root, "testsuite", name=url, tests=str(len(findings)), failures=str(failed), skipped=str(skipped)
    )
    for finding in findings:
        group, _, name = finding.name.partition(".")
        case = ET.SubElement(suite, "testcase", classname=f"check.{group}", name=name, time=f"{finding.duration_s:.3f}")
        if finding.result is CheckOutcome.FAIL:
            ET.SubElement(case, "failure", message=finding.reason).text = finding.advice
        elif finding.result is CheckOutcome.NOT_OFFERED:
            ET.SubElement(case, "skipped", message=finding.reason)
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml
