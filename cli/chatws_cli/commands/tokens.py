"""``chatws token``: create and inspect tokens of agents and keys of services."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.durations import parse_duration
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.options import DataDir, check_user_id, data_dir_settings
from chatws_cli.output import print_json
from chatws_cli.secrets import find_secret, prompt_secret

app = make_app("Create and inspect tokens of agents and keys of services.")

SERVICE = "bot"
"""User as which a service acts by default, in the server's database the bot, whose name is AI."""

DEFAULT_TTLS = {"admin": "1h", "service": "365d"}


@app.command(epilog="Example: chatws token create --sub alice --name Alice --ttl 1h")
def create(  # noqa: PLR0917  these are options, never positional
    sub: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            callback=check_user_id,
            help=f"Id of the user: 1-64 of A-Z a-z 0-9 _ -; required for an agent, {SERVICE} "
            "is the default of a service.",
        ),
    ] = None,
    role: Annotated[
        Literal["admin", "service"],
        typer.Option(help="admin: an agent; service: a program that uses REST as the bot."),
    ] = "admin",
    ttl: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Lifetime, for example 90s, 30m, 1h, 1d; an agent: 1h by default, at most 1d; a service: 365d by "
            "default, at most 366d.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name shown to customers; default: the id.")] = None,
    email: Annotated[str | None, typer.Option(metavar="EMAIL", help="Email address of the agent.")] = None,
    data_dir: DataDir = None,
    *,
    operator: Annotated[
        bool, typer.Option("--operator", help="Also allow 'chatws connections', 'kick' and 'trace'.")
    ] = False,
) -> None:
    """Print a new signed token, and nothing else.

    A service key ends at its expiry, or when its user is disabled: chatws user disable ID.
    """
    from chatws.server.auth import tokens
    from chatws.server.auth.keys import load_keys
    from chatws.server.errors import StartError

    settings = data_dir_settings(data_dir)
    longest_s = tokens.MAX_LIFETIME_S if role == "admin" else tokens.MAX_SERVICE_LIFETIME_S
    lifetime_s = parse_duration("--ttl", DEFAULT_TTLS[role] if ttl is None else ttl, longest_s)
    if sub is None and role == "admin":
        raise CommandError("--sub is missing", advice="give the id of the agent", code=ExitCode.USAGE)
    subject = sub or SERVICE
    try:
        keys = load_keys(settings, create=True)
    except StartError as problem:
        raise CommandError(problem.what, problem.why, problem.advice) from problem
    token = tokens.mint(
        keys,
        settings,
        subject=subject,
        name=name or subject,
        email=email,
        ttl_s=lifetime_s,
        is_operator=operator,
        role=role,
    )
    print(token)


@app.command(epilog="Example: chatws token create --sub alice | chatws token inspect")
def inspect(
    argument: Annotated[str | None, typer.Argument(hidden=True, metavar="")] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token; - is standard input.")
    ] = None,
    data_dir: DataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the claims of a token and whether it is accepted.

    The token is checked on this machine, with the key of this server, and never sent. It comes from --token-file,
    CHATWS_TOKEN or standard input, not from an argument. Exit code 4 when it is not accepted.
    """
    if argument not in {None, "-"}:
        raise CommandError(
            "a token is not given as an argument",
            "the process list and the history of the shell show it",
            "pass it on standard input, or use --token-file FILE or CHATWS_TOKEN; it is checked here and never sent",
            code=ExitCode.USAGE,
        )
    token = find_secret(token_file, "CHATWS_TOKEN") or _read_token()
    if not token:
        raise CommandError(
            "there is no token", advice="use --token-file, CHATWS_TOKEN or standard input", code=ExitCode.USAGE
        )
    claims = _read_claims(token)
    problem = _why_refused(token, data_dir)
    if as_json:
        print_json({"accepted": problem is None, "problem": problem, "claims": claims})
    else:
        print(_describe(claims))
        print(f"accepted: {'yes' if problem is None else f'no, {problem}'}")
    raise typer.Exit(ExitCode.DONE if problem is None else ExitCode.REFUSED)


def _read_token() -> str:
    if sys.stdin.isatty():
        return prompt_secret("Token").strip()
    return sys.stdin.readline().strip()


def _read_claims(token: str) -> dict[str, Any]:
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as problem:
        raise CommandError("this is not a token", str(problem), code=ExitCode.REFUSED) from problem
    return claims


def _why_refused(token: str, data_dir: Path | None) -> str | None:
    from chatws.server.auth import tokens
    from chatws.server.auth.keys import load_keys
    from chatws.server.errors import StartError

    settings = data_dir_settings(data_dir)
    try:
        tokens.verify(token, load_keys(settings, create=False), settings)
    except tokens.TokenExpired:
        return "it has expired"
    except (tokens.TokenError, StartError) as problem:
        return str(problem)
    return None


def _describe(claims: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {_readable(name, value)}" for name, value in claims.items())


def _readable(name: str, value: object) -> str:
    if name in {"exp", "iat", "nbf", "auth_time"} and isinstance(value, int | float):
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
    return ascii(value).strip("'")
