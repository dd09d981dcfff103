"""Command-line options of ``chatws tap`` and ``chatws record``, and the tap that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_loadtest.errors import CommandExit
from chatws_loadtest.options import check_url, find_mapping, is_host_name
from chatws_loadtest.tap.fault_rules import FaultRule, RuleError, parse_rule
from chatws_loadtest.tap.packet_analyser import AnalysisOptions
from chatws_loadtest.tap.tap_server import TapOptions

TargetUrl = Annotated[str, typer.Argument(help="The server.", metavar="URL")]
ListenPort = Annotated[int, typer.Option(min=0, max=65535, help="Port for the clients; 0: a free one.", metavar="PORT")]
ListenAddress = Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")]
Rules = Annotated[
    list[str] | None,
    typer.Option(help="Fault to inject, e.g. 'drop ack of send_message 5%'; repeatable.", metavar="RULE"),
]
Seed = Annotated[int, typer.Option(help="Number that repeats the choices of the rules.", metavar="N")]
WithContent = Annotated[bool, typer.Option("--with-content", help="Include contents and ids; tokens stay masked.")]


def make_tap_options(
    url: str,
    *,
    host: str,
    listen: int,
    rule: Sequence[str] | None,
    seed: int,
    mapping: Path | None,
    analysis: AnalysisOptions,
    allow_remote: bool,
) -> TapOptions:
    """Check the values of the shared options, and return the tap that they describe.

    Raises:
        CommandExit: a value is wrong.
    """
    check_url(url, allow_remote=allow_remote)
    if not is_host_name(host):
        raise CommandExit(f"--host {host!r} is not the name or the address of a host", ExitCode.USAGE)
    return TapOptions(
        url=url,
        mapping=find_mapping(mapping),
        host=host,
        port=listen,
        analysis=analysis,
        rules=tuple(_read_rules(rule or ())),
        seed=seed,
    )


def _read_rules(texts: Sequence[str]) -> list[FaultRule]:
    """Read the rules of the options.

    Raises:
        CommandExit: a text is no rule.
    """
    try:
        return [parse_rule(text) for text in texts]
    except RuleError as problem:
        raise CommandExit(f"--rule: {problem}", ExitCode.USAGE) from problem
