"""``chatws kick``: closes connections of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from chatws.exit_codes import ExitCode
from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.errors import CommandError
from chatws_cli.lazy_group import make_app
from chatws_cli.operator_client import OperatorAccess, TokenFile
from chatws_cli.options import CaFile, DataDir, Url, check_user_id

app = make_app()


@app.command(epilog="Example: chatws kick alice")
def kick(  # noqa: PLR0917  these are options, never positional
    user: Annotated[
        str | None,
        typer.Argument(
            metavar="[USER]", help="Id of the user to disconnect.", callback=check_user_id, show_default=False
        ),
    ] = None,
    connection: Annotated[
        str | None, typer.Option(metavar="ID", help="Close only this one, as 'chatws connections' shows it.")
    ] = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    ca_file: CaFile = None,
) -> None:
    """Close the connections of a user.

    Requires an operator's token, see 'chatws token create --operator'. Connections of the user to other servers are
    closed too. Clients do not reconnect by themselves, but the user may connect again; 'chatws user disable' prevents
    that.
    """
    if (user is None) == (connection is None):
        raise CommandError("choose what to close", advice="give a user's id, or --connection", code=ExitCode.USAGE)
    access = OperatorAccess(url, token_file, data_dir, ca_file)
    reply = access.run(lambda rest: rest.kick(user_id=user, socket_id=connection))
    print(f"connections closed on this server: {reply.connections}")
