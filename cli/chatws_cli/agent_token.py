"""Token of an agent: from a file or variable, or created for the development agent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatws.exit_codes import ExitCode
from chatws.settings.validation import is_loopback
from chatws_cli.dev_agent import mint_dev_token
from chatws_cli.errors import CommandError
from chatws_cli.options import data_dir_settings
from chatws_cli.reachability import require_listener
from chatws_cli.secrets import find_secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def find_agent_token(
    url: str, token_file: Path | None, data_dir: Path | None, *, is_operator: bool = False
) -> str | Callable[[], str]:
    """Return the token from ``token_file`` or CHATWS_TOKEN; on the server's machine, one for the development agent.

    Raises:
        CommandError: no token was found; exit code 3 if no server listens at a local ``url`` either.
    """
    given = find_secret(token_file, "CHATWS_TOKEN")
    if given is not None:
        # The file is read again for each connection, because it may hold a fresh token by then.
        return given if token_file is None or str(token_file) == "-" else lambda: read_secret(token_file)
    return _dev_token(url, data_dir, is_operator=is_operator)


def _dev_token(url: str, data_dir: Path | None, *, is_operator: bool) -> Callable[[], str]:
    from chatws.server.errors import StartError

    command = f"chatws token create{' --operator' if is_operator else ''}"
    advice = f"create one with '{command}' and pass it by --token-file or CHATWS_TOKEN"
    if not is_loopback(urlsplit(url).hostname or ""):
        raise CommandError("there is no token", advice=advice, code=ExitCode.USAGE)
    settings = data_dir_settings(data_dir)

    def mint() -> str:
        token = mint_dev_token(settings, is_operator=is_operator)
        if token is None:
            why = f"no server has created a development agent in {settings.data_dir}"
            raise CommandError("there is no token", why, advice, code=ExitCode.USAGE)
        return token

    try:
        mint()
    except CommandError:
        require_listener(url)
        raise
    except StartError as problem:
        require_listener(url)
        raise CommandError(problem.what, problem.why, problem.advice) from problem
    return mint
