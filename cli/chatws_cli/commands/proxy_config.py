"""``chatws proxy-config``: configuration of a proxy in front of the servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.settings import Settings

app = make_app("Print the configuration of a proxy in front of the servers.")

_UPSTREAM = re.compile(r"(?:(https?)://)?((?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})/?")
_SERVER_NAME = re.compile(r"[A-Za-z0-9._*-]+")
_LISTEN = re.compile(r"(?:[A-Za-z0-9._-]+:|\[[0-9A-Fa-f:.]+\]:)?[0-9]{1,5}")
_UNSAFE_IN_PATHS = re.compile(r'["\\$\x00-\x1f]')


@app.command(
    epilog="Example: chatws proxy-config nginx --upstream 10.0.0.5:3000 --upstream 10.0.0.6:3000 > chatws.conf"
)
def nginx(  # noqa: PLR0917  these are options, never positional
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", help="A server, with https:// if it uses TLS; default: those of the settings."
        ),
    ] = None,
    server_name: Annotated[str, typer.Option(metavar="NAME", help="Host name of clients' requests; _ is any.")] = "_",
    listen: Annotated[
        str | None, typer.Option(metavar="[ADDRESS:]PORT", help="Address of nginx; 80, or 443 with a certificate.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate chain for nginx.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM private key for nginx.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file of the servers.", metavar="FILE")] = None,
) -> None:
    """Print a configuration for nginx. It covers sticky polling, upgrades, streams, timeouts, TLS, client addresses."""
    from chatws_cli.nginx import NginxConfig, render
    from chatws_cli.server_urls import own_servers

    settings = load_settings(None, (), config).settings
    scheme, upstreams = _read_upstreams(upstream or own_servers(settings))
    certificate = _certificate(tls_cert, tls_key)
    address = _checked(_LISTEN, listen or ("443" if certificate else "80"), "--listen", "a port, or address:port")
    proxy = NginxConfig(
        upstreams=upstreams,
        upstream_scheme=scheme,
        server_name=_checked(_SERVER_NAME, server_name, "--server-name", "a host name"),
        listen=f"{address} ssl" if certificate else address,
        certificate=certificate,
        idle_timeout_s=_idle_timeout_s(settings),
        max_body_bytes=2 * settings.max_frame_bytes,
    )
    print(render(proxy), end="")


def _read_upstreams(texts: Sequence[str]) -> tuple[str, list[str]]:
    """Return the common scheme and the addresses."""
    schemes, addresses = set[str](), list[str]()
    for text in texts:
        match = _UPSTREAM.fullmatch(text)
        if match is None:
            raise _usage(f"--upstream {text}", "it is not host:port", "for example 10.0.0.5:3000")
        schemes.add(match[1] or "http")
        addresses.append(match[2])
    if len(schemes) > 1:
        raise _usage("the servers differ", "some use TLS and some do not", "use https:// for all of them, or for none")
    return schemes.pop(), addresses


def _certificate(cert: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise _usage("TLS is incomplete", "it needs a certificate and its key", "use --tls-cert and --tls-key")
    pair = cert.absolute(), key.absolute()  # nginx has another working directory
    for path in pair:
        if _UNSAFE_IN_PATHS.search(str(path)):
            raise _usage(
                str(path), "nginx cannot read this path from a file", "use a path without quotes and dollar signs"
            )
    return pair


def _checked(pattern: re.Pattern[str], text: str, option: str, allowed: str) -> str:
    if pattern.fullmatch(text) is None:
        raise _usage(f"{option} {text}", f"it is not {allowed}", "")
    return text


def _idle_timeout_s(settings: Settings) -> int:
    silence_ms = settings.ping_interval_ms + settings.ping_timeout_ms
    return 2 * max(silence_ms, settings.bot_timeout_ms) // 1000 + 1


def _usage(what: str, why: str, advice: str) -> CommandError:
    return CommandError(what, why, advice, code=ExitCode.USAGE)
