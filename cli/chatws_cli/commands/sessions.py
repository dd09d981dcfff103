"""``chatws session``: create sessions of customers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chatws_cli.defaults import DEFAULT_URL
from chatws_cli.lazy_group import make_app
from chatws_cli.options import CaFile, Url
from chatws_cli.output import print_json, table

if TYPE_CHECKING:
    from chatws.client import ClientOptions
    from chatws.protocol.responses import SessionAck

app = make_app("Create sessions of customers.")


@app.command(epilog="Example: chatws session create --json")
def create(
    url: Url = DEFAULT_URL,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name shown to agents.")] = None,
    ca_file: CaFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Create a session on a running server and print it. The session id is a secret."""
    from chatws.client import ClientError
    from chatws_cli.chat_session import client_options, explain

    try:
        made = asyncio.run(_create(url, client_options(url, ca_file), name))
    except ClientError as problem:
        raise explain(url, problem) from problem
    session = {
        "sessionId": made.session_id,
        "userId": made.user_id,
        "userName": made.user_name,
        "conversationId": made.conversation_id,
        "expiresAt": made.expires_at,
    }
    if as_json:
        print_json(session)
    else:
        print(table([(field, str(value)) for field, value in session.items()]))


async def _create(url: str, options: ClientOptions, name: str | None) -> SessionAck:
    from chatws.client import RestClient

    async with RestClient(url, options=options) as rest:
        return await rest.create_session(name)
