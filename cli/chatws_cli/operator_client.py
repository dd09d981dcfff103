"""REST client of the operator's commands, and their common options."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from chatws_cli.agent_token import find_agent_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatws.client import RestClient

R = TypeVar("R")

TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File with an operator's token; default: CHATWS_TOKEN.")
]


class OperatorAccess:
    """Server and credentials of an operator's command.

    In development mode on the server's machine, a token of the development agent is created.
    """

    def __init__(self, url: str, token_file: Path | None, data_dir: Path | None, ca_file: Path | None) -> None:
        from chatws_cli.chat_session import client_options

        self._url = url
        self._options = client_options(url, ca_file)
        token = find_agent_token(url, token_file, data_dir, is_operator=True)
        self._token = token if isinstance(token, str) else token()

    def run(self, request: Callable[[RestClient], Awaitable[R]]) -> R:
        """Run a request and return its reply.

        Raises:
            CommandError: the connection failed or was refused; exit code 3 or 4.
        """
        from chatws.client import ClientError
        from chatws_cli.chat_session import explain

        try:
            return asyncio.run(self._run(request))
        except ClientError as problem:
            raise explain(self._url, problem, "create one with 'chatws token create --operator'") from problem

    async def _run(self, request: Callable[[RestClient], Awaitable[R]]) -> R:
        from chatws.client import RestClient

        async with RestClient(self._url, token=self._token, options=self._options) as rest:
            return await request(rest)
