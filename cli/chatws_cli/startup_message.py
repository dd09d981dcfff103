"""Message of ``chatws serve`` once it listens: addresses, created files, and commands to run next."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chatws.settings import default_data_dir
from chatws_cli.defaults import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws.settings import Settings


PROGRAM = "chatws"


class CreatedFiles(NamedTuple):
    """Files that this start has created in the data directory."""

    secret: bool
    agent: bool


def startup_message(base_urls: Sequence[str], settings: Settings, created: CreatedFiles) -> str:
    """Return the text. Programs parse its first lines, which are exactly ``listening on URL``, one for each server."""
    url = _reachable(base_urls[0])
    lines = [*(f"listening on {base_url}" for base_url in base_urls), *_created(settings, created)]
    lines += ["", *_commands(url, settings), "", *_proxy(base_urls)]
    lines += [f"  {name:<10} {url}{path}" for name, path in _pages(settings)]
    if settings.is_dev:
        lines += ["", "development mode: listens on this machine only and accepts any session id; use --prod otherwise"]
    return "\n".join(lines)


def _reachable(base_url: str) -> str:
    """Replace a wildcard address by localhost, because no certificate is valid for a wildcard."""
    return re.sub(r"//(0\.0\.0\.0|\[::\]):", "//localhost:", base_url)


def _pages(settings: Settings) -> list[tuple[str, str]]:
    has_test_page = settings.test_page == "on" or (settings.test_page == "auto" and settings.is_dev)
    test_page = [("test page", "/websocket-test.html")] if has_test_page else []
    metrics = [] if settings.metrics == "off" else [("metrics", "/metrics")]
    return [*test_page, ("dashboard", "/admin/"), ("health", "/health"), ("REST", "/openapi.json"), *metrics]


def _proxy(base_urls: Sequence[str]) -> list[str]:
    if len(base_urls) == 1:
        return []
    plain = [url.removeprefix("http://") for url in map(_reachable, base_urls)]
    options = [word for url in plain for word in ("--upstream", url)]
    return ["one address for all servers:", f"  {shlex.join([program_name(), 'proxy-config', 'nginx', *options])}", ""]


def _created(settings: Settings, created: CreatedFiles) -> list[str]:
    names = [
        name for name, is_new in (("a secret", created.secret), ("the development agent", created.agent)) if is_new
    ]
    return [f"first run: created {' and '.join(names)} in {settings.data_dir}"] if names else []


def _commands(base_url: str, settings: Settings) -> list[str]:
    url = [] if base_url == DEFAULT_URL else ["--url", base_url]
    data_dir = [] if settings.data_dir == default_data_dir() else ["--data-dir", str(settings.data_dir)]
    trust = ["--ca-file", str(settings.tls_cert)] if settings.tls_cert and settings.is_dev else []
    chatws = program_name()
    customer = shlex.join([chatws, "customer", *url, *trust])
    if settings.is_dev:
        agent = [shlex.join([chatws, "agent", *url, *data_dir, *trust])]
    else:
        make = shlex.join([chatws, "token", "create", "--sub", "alice", *data_dir])
        agent = [
            f"(umask 077; {make} > alice.token)",
            shlex.join([chatws, "agent", *url, "--token-file", "alice.token"]),
        ]
    return ["to chat, run each in its own terminal:", *(f"  {line}" for line in [*agent, customer])]


def program_name() -> str:
    """Return how to run this program in another terminal: by name if it is on the PATH, otherwise by path."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    if program.name != PROGRAM or (found is not None and Path(found).resolve() == program.resolve()):
        return PROGRAM
    path = program.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
