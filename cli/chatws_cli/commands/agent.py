"""``chatws agent``: talk as an agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from chatws.settings.safety import is_loopback
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.dev_agent import mint_dev_token
from chatws_cli.errors import CommandError, ExitCode
from chatws_cli.options import (
    AsJson,
    CaFile,
    ConversationId,
    DataDir,
    History,
    Plain,
    TransportChoice,
    Url,
    Wait,
    data_dir_settings,
)
from chatws_cli.secrets import find_secret, read_secret
from chatws_cli.tree import make_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws_cli.line.talk import Wishes

app = make_app()


@app.command(epilog="Example: chatws agent --conversation CONVERSATION-ID")
def agent(  # noqa: PLR0917  these are options, never positional
    url: Url = DEFAULT_URL,
    conversation: ConversationId = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that holds the token; else CHATWS_TOKEN.")
    ] = None,
    data_dir: DataDir = None,
    wait: Wait = 0,
    history: History = None,
    ca_file: CaFile = None,
    transport: TransportChoice = "auto",
    *,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Answer customers.

    Without --conversation it enters the newest open one, or waits for the first. On the server's own machine, in
    development mode, the development agent's token is found by itself.
    """
    from chatws.client import AgentClient
    from chatws_cli.connecting import Manner, client_options, stay, wishes

    options = client_options(url, ca_file, transport)
    token = _token(url, token_file, data_dir)

    async def make() -> tuple[AgentClient, Wishes]:
        client = AgentClient(url, token, options=options)
        return client, wishes(conversation, wait, history, as_json=as_json)

    manner = Manner(data_dir_settings(data_dir).data_dir, plain=plain, as_json=as_json)
    raise typer.Exit(stay(url, make, manner))


def _token(url: str, token_file: Path | None, data_dir: Path | None) -> str | Callable[[], str]:
    given = find_secret(token_file, "CHATWS_TOKEN")
    if given is not None:
        # A file is read again at each connection: somebody may have put a fresh token there.
        return given if token_file is None or str(token_file) == "-" else lambda: read_secret(token_file)
    return _dev_token(url, data_dir)


def _dev_token(url: str, data_dir: Path | None) -> Callable[[], str]:
    from chatws.server.errors import StartError

    advice = "make one with 'chatws token create' and give it by --token-file or CHATWS_TOKEN"
    if not is_loopback(urlsplit(url).hostname or ""):
        raise CommandError("there is no token", advice=advice, code=ExitCode.USAGE)
    settings = data_dir_settings(data_dir)

    def mint() -> str:
        token = mint_dev_token(settings)
        if token is None:
            why = f"no server has made a development agent in {settings.data_dir}"
            raise CommandError("there is no token", why, advice, code=ExitCode.USAGE)
        return token

    try:
        mint()
    except StartError as problem:
        raise CommandError(problem.what, problem.why, problem.advice) from problem
    return mint
