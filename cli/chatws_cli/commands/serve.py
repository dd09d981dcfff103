"""``chatws serve``: run the server."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws.settings import Layer, Value
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.output import hint
from chatws_cli.settings import help_of, load_settings

if TYPE_CHECKING:
    from chatws.server import StartError
    from chatws.settings import Settings
    from chatws_cli.startup_message import CreatedFiles

app = make_app()


@app.command(epilog="Example: chatws serve --port 3001 --bot echo")
def serve(  # noqa: PLR0917  these are options, never positional
    host: Annotated[str | None, typer.Option(help=help_of("host"), metavar="ADDRESS")] = None,
    port: Annotated[str | None, typer.Option(help=help_of("port"), metavar="PORT")] = None,
    database_url: Annotated[str | None, typer.Option(help=help_of("database_url"), metavar="URL")] = None,
    redis_url: Annotated[str | None, typer.Option(help=help_of("redis_url"), metavar="URL")] = None,
    data_dir: Annotated[str | None, typer.Option(help=help_of("data_dir"), metavar="DIR")] = None,
    cors_origin: Annotated[list[str] | None, typer.Option(help=help_of("cors_origin"), metavar="ORIGIN")] = None,
    trusted_proxy: Annotated[list[str] | None, typer.Option(help=help_of("trusted_proxies"), metavar="ADDRESS")] = None,
    tls_cert: Annotated[str | None, typer.Option(help=help_of("tls_cert"), metavar="FILE")] = None,
    tls_key: Annotated[str | None, typer.Option(help=help_of("tls_key"), metavar="FILE")] = None,
    log_level: Annotated[str | None, typer.Option(help=help_of("log_level"), metavar="LEVEL")] = None,
    log_format: Annotated[str | None, typer.Option(help=help_of("log_format"), metavar="FORMAT")] = None,
    limits: Annotated[str | None, typer.Option(help=help_of("limits"), metavar="on|off")] = None,
    bot: Annotated[str | None, typer.Option(help=help_of("bot"), metavar="NAME")] = None,
    metrics: Annotated[str | None, typer.Option(help=help_of("metrics"), metavar="on|local|off")] = None,
    workers: Annotated[str | None, typer.Option(help=help_of("workers"), metavar="N")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).", metavar="FILE")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting; 'chatws config show' lists them."),
    ] = None,
    *,
    prod: Annotated[bool | None, typer.Option("--prod/--dev", help=help_of("mode"), show_default=False)] = None,
) -> None:
    """Run the server.

    Ctrl-C or SIGTERM stops it within 10 s, without loss of messages.
    """
    given = {
        "host": host,
        "port": port,
        "database_url": database_url,
        "redis_url": redis_url,
        "data_dir": data_dir,
        "cors_origin": ",".join(cors_origin) if cors_origin else None,
        "trusted_proxies": ",".join(trusted_proxy) if trusted_proxy else None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "log_level": log_level,
        "log_format": log_format,
        "limits": limits,
        "bot": bot,
        "metrics": metrics,
        "workers": workers,
        "mode": None if prod is None else "prod" if prod else "dev",
    }
    settings = load_settings(_layer(given), assignments or [], config).settings
    _refuse_unsafe(settings)
    raise typer.Exit(_run(settings))


def _layer(given: dict[str, str | None]) -> Layer:
    spelled = {"trusted_proxies": "--trusted-proxy", "mode": "--prod/--dev"}
    return {
        name: Value(text, f"option {spelled.get(name, '--' + name.replace('_', '-'))}")
        for name, text in given.items()
        if text is not None
    }


def _refuse_unsafe(settings: Settings) -> None:
    from chatws.settings import validation

    for concern in validation.errors(settings):
        raise CommandError(concern.what, concern.why, concern.advice, code=ExitCode.USAGE)
    for concern in validation.warnings(settings):
        hint(f"WARNING: {concern.what}: {concern.why}; {concern.advice}")


def _run(settings: Settings) -> int:
    from chatws.server import StartError, run, run_workers
    from chatws_cli.startup_message import startup_message

    try:
        created = _prepare(settings)
        if settings.workers > 1:
            return run_workers(settings, lambda urls: print(startup_message(urls, settings, created), flush=True))
        return run(settings, lambda url: print(startup_message([url], settings, created), flush=True))
    except StartError as problem:
        raise _explain(problem, settings) from problem


def _prepare(settings: Settings) -> CreatedFiles:
    """Create the secret and, in development mode, the agent, unless they exist."""
    from chatws.server.auth.keys import SECRET_FILE, load_keys
    from chatws_cli.dev_agent import create_dev_agent
    from chatws_cli.startup_message import CreatedFiles

    secret = settings.data_dir / SECRET_FILE
    had_secret = secret.exists()
    load_keys(settings, create=True)
    made_agent = settings.is_dev and create_dev_agent(settings.data_dir)
    return CreatedFiles(secret=secret.exists() and not had_secret, agent=made_agent)


def _explain(problem: StartError, settings: Settings) -> CommandError:
    cause = problem.__context__
    if not (isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE):
        return CommandError(problem.what, problem.why, problem.advice, code=problem.code)
    from chatws.port_owner import find_listeners

    listeners = find_listeners(settings.port)
    owner = f" by process {listeners[0]}" if listeners else ""
    return CommandError(
        f"port {settings.port} is in use{owner}",
        advice=f"try --port {settings.port + 1 if settings.port < 65535 else 0}, or --port 0 for any free port",  # noqa: PLR2004  the last port
    )
